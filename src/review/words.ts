/** `a, b and c`. Repeated words are listed once. */
export function list(words: readonly string[]): string {
  const unique = [...new Set(words)];
  return unique.length < 2 ? unique.join('') : `${unique.slice(0, -1).join(', ')} and ${unique.at(-1)}`;
}

/** A text of at most 120 characters, cut with an ellipsis, for a line of evidence. */
export function brief(text: string): string {
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}
