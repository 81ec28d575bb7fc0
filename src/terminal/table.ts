import { styleText } from 'node:util';
import { largest } from '../model/extremes.ts';
import { lookUp } from '../model/look-up.ts';
import { printable } from './lines.ts';

/** A name of `util.styleText`, or several. */
export type Style = Parameters<typeof styleText>[0];

/** A column of a table: its title, a row's text in it, and the style of that text; null for none. */
export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string;
  readonly style?: (row: T) => Style | null;
}

/**
 * The text of a table: a line of titles and one line a row, columns padded to equal width, newline at the end. Control characters
 * become `?`.
 * @param colour whether to use colours; default: {@link isColour}
 */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[], colour = isColour()): string {
  const cells = rows.map((row) => columns.map(({ value }) => printable(value(row))));
  const widths = columns.map(({ title }, index) =>
    largest(
      cells.map((row) => (row[index] as string).length),
      title.length,
    ),
  );
  const line = (texts: readonly string[], paint: (text: string, index: number) => string) =>
    texts
      .map((text, index) => paint(index === texts.length - 1 ? text : text.padEnd(widths[index] as number), index))
      .join('  ')
      .trimEnd();
  const head = line(
    columns.map(({ title }) => title),
    (text) => (colour ? styleText('bold', text) : text),
  );
  const body = cells.map((texts, row) =>
    line(texts, (text, index) => {
      const style = colour ? columns[index]?.style?.(rows[row] as T) : null;
      return style ? styleText(style, text) : text;
    }),
  );
  return `${[head, ...body].join('\n')}\n`;
}

/** Whether to print colours: standard output is a terminal, and `NO_COLOR` is not set (no-color.org). */
export function isColour(): boolean {
  return process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined;
}

/** The text in a style if {@link isColour}, otherwise the plain text. */
export function paint(style: Style, text: string): string {
  return isColour() ? styleText(style, text) : text;
}

const STATUS_STYLES: Readonly<Record<string, Style>> = {
  ACTIVE: 'green',
  PENDING: 'yellow',
  STALE: 'yellow',
  ERROR: 'red',
  UNKNOWN: 'magenta',
};

/** The style of a helper's status (`ACTIVE`); null for a word that is none. */
export function statusStyle(status: string): Style | null {
  return lookUp(STATUS_STYLES, status) ?? null;
}

/** Writes text to standard output, without adding a newline. */
export function print(text: string): void {
  process.stdout.write(text);
}

/** Writes a warning to standard error, as a line of its own. */
export function warn(text: string): void {
  process.stderr.write(`pinhole: warning: ${text}\n`);
}

/** Writes a value to standard output as JSON, indented by two spaces, with a newline at the end. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
