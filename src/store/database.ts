import type { CompiledQuery, Kysely } from 'kysely';
import type { Schema } from './schema.ts';

export interface Outcome<O> {
  readonly rows: O[];
  /** Rows inserted, updated or deleted. */
  readonly changed: number;
}

/** A database, or one transaction in it: queries are built with `db`; those that were compiled before are run directly. */
export interface Database {
  readonly db: Kysely<Schema>;
  run<O>(query: CompiledQuery<O>, parameters: readonly unknown[]): Promise<Outcome<O>> | Outcome<O>;
}
