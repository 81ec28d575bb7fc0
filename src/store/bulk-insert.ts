import type { Database } from './database.ts';
import { Prepared } from './prepared.ts';
import type { Schema } from './schema.ts';

/** Numbers of rows in one statement. A few fixed sizes keep the number of statements to prepare small. */
const SIZES = [64, 16, 4, 1] as const;

/** Inserts many rows with few prepared statements, pipelined where the driver allows it. */
export class BulkInsert<R extends object> {
  readonly #table: keyof Schema;
  readonly #columns: readonly (keyof R & string)[];
  readonly #bySize = new Map<number, Prepared<Record<string, unknown>, unknown>>();

  /** @param columns the columns to fill, in the order of the statement; they must be all of a row's keys */
  constructor(table: keyof Schema, columns: readonly (keyof R & string)[]) {
    this.#table = table;
    this.#columns = columns;
  }

  /** Inserts all rows. @throws the database's error; some of the rows may then be inserted, so that the caller rolls back */
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
