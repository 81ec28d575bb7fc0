import { styleText } from 'node:util';
import { lookUp } from '../model/look-up.ts';

export type Style = Parameters<typeof styleText>[0];

export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string;
  readonly style?: (row: T) => Style | null;
}

/** Control characters of names that tenants choose do not reach the terminal. */
const CONTROL = /\p{Cc}/gu;

/** Aligned columns; colours only where somebody looks. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[], colour = isColour()): string {
  const cells = rows.map((row) => columns.map(({ value }) => value(row).replace(CONTROL, '?')));
  const widths = columns.map(({ title }, index) => Math.max(title.length, ...cells.map((row) => (row[index] as string).length)));
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

export function isColour(): boolean {
  return process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined;
}

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

export function statusStyle(status: string): Style | null {
  return lookUp(STATUS_STYLES, status) ?? null;
}

export function print(text: string): void {
  process.stdout.write(text);
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}
