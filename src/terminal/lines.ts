import { stripVTControlCharacters } from 'node:util';

const MIN_WIDTH = 80;

/** Characters of the longest line that standard output takes. Output that goes to a file or another program is not cut. */
export function lineWidth(): number {
  return process.stdout.isTTY ? Math.max(MIN_WIDTH, process.stdout.columns) : Number.POSITIVE_INFINITY;
}

/** The text with `?` for control characters. Names that tenants choose may contain some, and they must not reach the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '?');
}

/** A text cut to `width` characters; `…` stands for what is missing. */
export function fitted(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}

/**
 * A text as lines of at most `width` characters, broken at spaces; colours count as none. A word that is longer has a line of its own.
 * @param indent in front of each line, within the width
 */
export function wrapped(text: string, width: number, indent = ''): string[] {
  const lines: string[] = [];
  let room = 0;
  for (const word of text.split(' ').filter(Boolean)) {
    const length = stripVTControlCharacters(word).length;
    if (lines.length > 0 && length + 1 <= room) {
      lines[lines.length - 1] += ` ${word}`;
      room -= length + 1;
    } else {
      lines.push(`${indent}${word}`);
      room = width - indent.length - length;
    }
  }
  return lines;
}
