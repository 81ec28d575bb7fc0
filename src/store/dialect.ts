import { type CreateTableBuilder, type RawBuilder, sql } from 'kysely';

/** The two databases. The functions of this file hold the places where their SQL differs. */
export type DialectName = 'sqlite' | 'postgres';

/** Returns the column type for text that sorts by its bytes, whatever the database's locale: pages and markers depend on that order. */
export function textType(dialect: DialectName): RawBuilder<string> | 'text' {
  return dialect === 'postgres' ? sql`text collate "C"` : 'text';
}

/** Adds a primary key that the database counts up. @returns the builder with the column */
export function addSerial<T extends string>(
  table: CreateTableBuilder<T, never>,
  name: string,
  dialect: DialectName,
): CreateTableBuilder<T, never> {
  return dialect === 'postgres'
    ? table.addColumn(name as never, 'bigserial', (column) => column.primaryKey())
    : table.addColumn(name as never, 'integer', (column) => column.primaryKey().autoIncrement());
}
