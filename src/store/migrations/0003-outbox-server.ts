import type { Migration } from 'kysely';
import { type DialectName, textType } from '../dialect.ts';

/** Whose hints they are to deliver, so that several servers do not deliver each other's. */
export function outboxServer(dialect: DialectName): Migration {
  return {
    up: async (db) => {
      await db.schema
        .alterTable('outbox')
        .addColumn('server', textType(dialect), (column) => column.notNull().defaultTo(''))
        .execute();
      await db.schema.createIndex('outbox_server').on('outbox').columns(['server', 'id']).execute();
    },
  };
}
