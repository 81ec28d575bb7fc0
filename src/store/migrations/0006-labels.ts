import type { Migration } from 'kysely';
import { type DialectName, textType } from '../dialect.ts';

/** Adds the labels of routers, as JSON with keys in their order. */
export function labels(dialect: DialectName): Migration {
  return {
    up: async (db) => {
      await db.schema
        .alterTable('routers')
        .addColumn('labels', textType(dialect), (column) => column.notNull().defaultTo('{}'))
        .execute();
    },
  };
}
