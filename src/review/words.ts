/** `a, b and c`, each once. */
export function list(words: readonly string[]): string {
  const unique = [...new Set(words)];
  return unique.length < 2 ? unique.join('') : `${unique.slice(0, -1).join(', ')} and ${unique.at(-1)}`;
}

/** A text at a length that a line of evidence has room for. */
export function brief(text: string): string {
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}
