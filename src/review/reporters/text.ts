/** Breaks a text into lines of at most so many characters, at spaces. */
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

/** Wrapped, with the first line after `head` and the others below it. */
export function hanging(head: string, text: string, width = 80): string[] {
  const indent = ' '.repeat(head.length);
  return wrap(text, Math.max(20, width - head.length)).map((line, index) => `${index === 0 ? head : indent}${line}`);
}

/** `Line 12`, `Lines 12-15`. */
export function lineText({ line, endLine }: { readonly line: number; readonly endLine: number }): string {
  return line === endLine ? `Line ${line}` : `Lines ${line}-${endLine}`;
}

/** Control characters of what was read do not reach the terminal; line ends stay. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (character) => (character === '\n' || character === '\t' ? character : '�'));
}

/** A text whose parts in backticks are code, each part written in its own way; a backtick without another is none. */
export function withCode(text: string, write: { code: (part: string) => string; plain: (part: string) => string }): string {
  return text
    .split('`')
    .map((part, index, all) => (index % 2 === 1 && index < all.length - 1 ? write.code(part) : write.plain(part)))
    .join('');
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
