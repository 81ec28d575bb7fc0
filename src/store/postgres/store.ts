import type { Kysely } from 'kysely';
import type { Database } from '../database.ts';
import { Engine } from '../engine.ts';
import type { Store, StoreOptions } from '../interface.ts';
import { registerChain } from '../journal.ts';
import { migrate } from '../migrate.ts';
import { Queries } from '../queries.ts';
import type { Schema } from '../schema.ts';
import { prepareStatements } from '../statements.ts';
import { type ConnectionOptions, createPool, kysely } from './connection.ts';
import { readFailure, unavailable } from './errors.ts';
import { EventListener } from './event-listener.ts';
import { PipelinedConnection } from './pipelined-connection.ts';
import { PostgresWriter } from './writer.ts';

/** Options of {@link openPostgres}. */
export interface PostgresOptions extends StoreOptions, ConnectionOptions {
  /** Maximum number of connections for slow reads. Three more serve short reads, writes and events. */
  readonly connections: number;
}

/**
 * Opens the database of a fleet and migrates it to this version. @throws InvalidInput for a bad URL; PinholeError
 * `store-unavailable`
 */
export async function openPostgres(options: PostgresOptions): Promise<Store> {
  await migratePostgres(options);
  await withDatabase(options, (db) => registerChain(db, options.chain));
  const pool = kysely(createPool(options, options.connections), readFailure);
  const hot = new PipelinedConnection(options, readFailure);
  const read = new Queries(readDatabase(pool, hot), prepareStatements('postgres'));
  const listener = new EventListener(options);
  const writer = new PostgresWriter(options);
  // The database notifies this server of its own commits, as it does the other servers.
  const engine = new Engine({ ...options, writer, onLocalEvents: () => undefined });
  return {
    read,
    chain: options.chain,
    write: (work, owner) => engine.write(work, owner),
    refusesWrites: () => engine.refusesWrites(),
    get commits() {
      return engine.commits;
    },
    onEvents: (callback) => listener.add(callback),
    close: async () => {
      await engine.idle();
      await Promise.all([listener.close(), writer.close(), hot.close(), pool.destroy()]);
    },
  };
}

/** Prepared reads are short, so that they share one connection. The others can take long and use the pool. */
function readDatabase(pool: Kysely<Schema>, hot: PipelinedConnection): Database {
  return { db: pool, run: async (query, parameters) => (await hot.get()).database.run(query, parameters) };
}

/** Migrates the database to this version. @returns names of the migrations that ran @throws as {@link openPostgres} */
export async function migratePostgres(options: ConnectionOptions): Promise<string[]> {
  return withDatabase(options, (db) => migrate(db, 'postgres'));
}

async function withDatabase<T>(options: ConnectionOptions, work: (db: Kysely<Schema>) => Promise<T>): Promise<T> {
  const db = kysely(createPool(options, 1), (failure) => failure);
  try {
    return await work(db);
  } catch (error) {
    throw unavailable(error);
  } finally {
    await db.destroy();
  }
}
