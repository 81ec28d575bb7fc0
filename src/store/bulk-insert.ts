import type { Database } from './database.ts';
import { Prepared } from './prepared.ts';
import type { Schema } from './schema.ts';

/** Rows in one statement: a few sizes, so that each is built and prepared once. */
const SIZES = [64, 16, 4, 1] as const;

/** Inserts many rows in few statements, sent without waiting for each other. */
export class BulkInsert<R extends object> {
  readonly #table: keyof Schema;
  readonly #columns: readonly (keyof R & string)[];
  readonly #bySize = new Map<number, Prepared<Record<string, unknown>, unknown>>();

  constructor(table: keyof Schema, columns: readonly (keyof R & string)[]) {
    this.#table = table;
    this.#columns = columns;
  }

  async run(db: Database, rows: readonly R[]): Promise<void> {
    const parts: (Promise<unknown> | unknown)[] = [];
    for (let at = 0; at < rows.length; ) {
      const size = SIZES.find((candidate) => candidate <= rows.length - at) as number;
      parts.push(this.#statement(size).run(db, this.#values(rows.slice(at, at + size))));
      at += size;
    }
    await Promise.all(parts);
  }

  #statement(size: number): Prepared<Record<string, unknown>, unknown> {
    const known = this.#bySize.get(size);
    if (known) return known;
    const made = new Prepared<Record<string, unknown>, unknown>((db, p) =>
      db
        .insertInto(this.#table)
        .values(
          Array.from({ length: size }, (_, row) =>
            Object.fromEntries(this.#columns.map((column) => [column, p(`${column}:${row}`)])),
          ) as never,
        ),
    );
    this.#bySize.set(size, made);
    return made;
  }

  #values(rows: readonly R[]): Record<string, unknown> {
    const values: Record<string, unknown> = {};
    for (const [index, row] of rows.entries()) for (const column of this.#columns) values[`${column}:${index}`] = row[column];
    return values;
  }
}
