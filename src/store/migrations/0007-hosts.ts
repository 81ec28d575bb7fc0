import type { Migration } from 'kysely';
import { type DialectName, textType } from '../dialect.ts';

/** Adds to each agent since when it is known to be silent; null while it is not. */
export function hosts(dialect: DialectName): Migration {
  return {
    up: async (db) => {
      await db.schema.alterTable('agents').addColumn('silent_since', textType(dialect)).execute();
    },
  };
}
