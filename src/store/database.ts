import type { CompiledQuery, Kysely } from 'kysely';
import type { Schema } from './schema.ts';

/** The result of one query. */
export interface Outcome<O> {
  readonly rows: O[];
  /** Rows inserted, updated or deleted. */
  readonly changed: number;
}

/** A database, or one transaction in it. */
export interface Database {
  /** Builds and runs queries that are used rarely. */
  readonly db: Kysely<Schema>;
  /**
   * Runs a query that was compiled before, with parameters in the order of the compiled SQL.
   * @throws the database's error
   */
  run<O>(query: CompiledQuery<O>, parameters: readonly unknown[]): Promise<Outcome<O>> | Outcome<O>;
}
