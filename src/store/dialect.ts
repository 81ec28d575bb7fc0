import { type CreateTableBuilder, type RawBuilder, sql } from 'kysely';

/** The databases, and the few places where their SQL differs. */
export type DialectName = 'sqlite' | 'postgres';

/** Ids sort by their bytes, whatever the database's locale: pages and markers depend on it. */
export function textType(dialect: DialectName): RawBuilder<string> | 'text' {
  return dialect === 'postgres' ? sql`text collate "C"` : 'text';
}

/** A primary key that the database counts up. */
export function addSerial<T extends string>(
  table: CreateTableBuilder<T, never>,
  name: string,
  dialect: DialectName,
): CreateTableBuilder<T, never> {
  return dialect === 'postgres'
    ? table.addColumn(name as never, 'bigserial', (column) => column.primaryKey())
    : table.addColumn(name as never, 'integer', (column) => column.primaryKey().autoIncrement());
}
