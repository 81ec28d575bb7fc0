import { stripVTControlCharacters } from 'node:util';
import { largest } from '../model/extremes.ts';
import { fitted, lineWidth, printable, wrapped } from './lines.ts';
import { type Column, table } from './table.ts';

/** A column of a table that fits into narrow lines: where they are too narrow, it leaves the row, or is cut. */
export interface NarrowColumn<T> extends Column<T> {
  /** The text stands below the row, after the title: `id 0a1b…`. */
  readonly below?: boolean;
  /** The text may be cut, where moving others below is not enough. */
  readonly cut?: boolean;
}

const INDENT = '  ';
/** What a column is not cut below. */
const MIN_COLUMN = 8;

/** As {@link table}, in lines of at most `width` characters. Where everything fits, no row has lines below it. */
export function narrowTable<T>(rows: readonly T[], columns: readonly NarrowColumn<T>[], width = lineWidth()): string {
  const whole = table(rows, columns);
  if (longest(whole) <= width) return whole;
  const [head = '', ...lines] = cutTo(
    width,
    rows,
    columns.filter(({ below }) => !below),
  )
    .trimEnd()
    .split('\n');
  const under = columns.filter(({ below }) => below);
  const texts = lines.flatMap((line, index) => [line, ...saidBelow(rows[index] as T, under, width)]);
  return `${[head, ...texts].join('\n')}\n`;
}

/** `id 0a1b…, scope from 192.0.2.0/24`: what the columns say of the row, without those that say nothing. A title stays with its text. */
function saidBelow<T>(row: T, columns: readonly NarrowColumn<T>[], width: number): string[] {
  const parts = columns
    .map(({ title, value }) => ({ title: title.toLowerCase(), text: printable(value(row)) }))
    .filter(({ text }) => text !== '-' && text !== '')
    .map(({ title, text }) => `${title} ${text}`);
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 2 + part.length <= width) lines[lines.length - 1] = `${last}, ${part}`;
    else lines.push(...wrapped(part, width, INDENT));
  }
  return lines;
}

/** The table, with the widest of the columns that may be cut made narrower until it fits, or none can be. */
function cutTo<T>(width: number, rows: readonly T[], columns: readonly NarrowColumn<T>[]): string {
  const widths = columns.map(({ value }) =>
    largest(
      rows.map((row) => value(row).length),
      0,
    ),
  );
  for (let excess = longest(table(rows, columns)) - width; excess > 0; excess--) {
    const widest = widths.reduce((best, one, index) => (columns[index]?.cut && one > (widths[best] ?? 0) ? index : best), -1);
    if (widest < 0 || (widths[widest] as number) <= MIN_COLUMN) break;
    widths[widest] = (widths[widest] as number) - 1;
  }
  return table(
    rows,
    columns.map((column, index) => ({ ...column, value: (row) => fitted(column.value(row), widths[index] as number) })),
  );
}

function longest(text: string): number {
  return text.split('\n').reduce((most, line) => Math.max(most, stripVTControlCharacters(line).length), 0);
}
