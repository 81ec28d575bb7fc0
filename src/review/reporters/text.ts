/** Breaks a text at spaces into lines of at most `width` characters. Longer words stay whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, line];
}

/** Wraps a text behind `head`; continuation lines are indented by its length. At least 20 characters of text fit on a line. */
export function hanging(head: string, text: string, width = 80): string[] {
  const indent = ' '.repeat(head.length);
  return wrap(text, Math.max(20, width - head.length)).map((line, index) => `${index === 0 ? head : indent}${line}`);
}

/** `Line 12` or `Lines 12-15`. */
export function lineText({ line, endLine }: { readonly line: number; readonly endLine: number }): string {
  return line === endLine ? `Line ${line}` : `Lines ${line}-${endLine}`;
}

/** Replaces control and format characters, except newlines and tabs, so that a reviewed text cannot control the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (character) => (character === '\n' || character === '\t' ? character : '�'));
}

/**
 * Rewrites a text whose parts in backticks are code. A backtick without a partner is plain text.
 * @param write renders code and plain parts
 */
export function withCode(text: string, write: { code: (part: string) => string; plain: (part: string) => string }): string {
  return text
    .split('`')
    .map((part, index, all) => (index % 2 === 1 && index < all.length - 1 ? write.code(part) : write.plain(part)))
    .join('');
}

/** `1 finding`, `2 findings`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
