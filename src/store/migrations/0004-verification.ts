import type { Migration } from 'kysely';
import { type DialectName, textType } from '../dialect.ts';

/** Adds to each agent what it last verified, for how long that counts, and whether its kernel process answers. */
export function verification(dialect: DialectName): Migration {
  return {
    up: async (db) => {
      const text = textType(dialect);
      await db.schema.alterTable('agents').addColumn('verified_at', text).execute();
      await db.schema.alterTable('agents').addColumn('bound_seconds', 'integer').execute();
      await db.schema.alterTable('agents').addColumn('kernel', text).execute();
    },
  };
}
