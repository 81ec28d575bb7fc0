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

export interface PostgresOptions extends StoreOptions, ConnectionOptions {
  /** Connections for reads. Writes share one, events are listened for on another. */
  readonly connections: number;
}

/** Opens the fleet's database and brings it to this version. @throws PinholeError `store-unavailable` */
export async function openPostgres(options: PostgresOptions): Promise<Store> {
  await migratePostgres(options);
  await withDatabase(options, (db) => registerChain(db, options.chain));
  const pool = kysely(createPool(options, options.connections), readFailure);
  const hot = new PipelinedConnection(options, readFailure);
  const read = new Queries(readDatabase(pool, hot), prepareStatements('postgres'));
  const listener = new EventListener(options);
  const writer = new PostgresWriter(options);
  // What this server commits it is told of like the others: by the database.
  const engine = new Engine({ ...options, writer, onLocalEvents: () => undefined });
  return {
    read,
    chain: options.chain,
    write: (work) => engine.write(work),
    onEvents: (callback) => listener.add(callback),
    close: async () => {
      await engine.idle();
      await Promise.all([listener.close(), writer.close(), hot.close(), pool.destroy()]);
    },
  };
}

/** Prepared reads are short: they share one connection. The others, which may take long, have one each. */
function readDatabase(pool: Kysely<Schema>, hot: PipelinedConnection): Database {
  return { db: pool, run: async (query, parameters) => (await hot.get()).database.run(query, parameters) };
}

/** Brings the database to this version. @returns names of the migrations that ran */
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
