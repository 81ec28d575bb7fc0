import type { Migration } from 'kysely';
import { type DialectName, textType } from '../dialect.ts';

/** Adds to each hint the server that has to send it, so that servers of one fleet do not send each other's hints. */
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
