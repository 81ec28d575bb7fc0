import { Kysely, PostgresDialect, type PostgresPool } from 'kysely';
import pg from 'pg';
import { InvalidInput } from '../../model/errors.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Schema } from '../schema.ts';
import { DatabaseFailure } from './errors.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 15_000;
/** How long a unit of a batch waits for another server's lock. It holds the locks of the whole batch meanwhile. */
const BATCH_LOCK_TIMEOUT_MS = 50;

/** Where the database is, and where to log connections that end. */
export interface ConnectionOptions {
  /** `postgresql://user:password@host:port/database`, or with `?host=/run/postgresql` for a socket. */
  readonly url: string;
  readonly logger: Logger;
}

/**
 * Returns the settings of every connection: timeouts, and 64-bit integers as numbers. @throws InvalidInput for a URL of another
 * scheme
 */
export function connectionConfig({ url, logger }: ConnectionOptions): pg.ClientConfig & pg.PoolConfig {
  if (!/^postgres(ql)?:\/\//.test(url))
    throw new InvalidInput('database.url', 'Invalid input for database.url. It is like postgresql://pinhole@db.example/pinhole.');
  return {
    connectionString: url,
    application_name: 'pinhole',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: BATCH_LOCK_TIMEOUT_MS,
    keepAlive: true,
    types: {
      getTypeParser: ((oid: number, format?: 'text') =>
        oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
    },
    log: (...parts: unknown[]) => logger.debug({}, parts.join(' ').slice(0, 200)),
  };
}

/** The type OID of bigint. Counters and sequence numbers stay far below 2^53, the largest exact number of JavaScript. */
const INT8 = 20;

/** Returns a pool of at most `max` connections, which open when they are needed. */
export function createPool(options: ConnectionOptions, max: number): pg.Pool {
  const pool = new pg.Pool({ ...connectionConfig(options), max, idleTimeoutMillis: 30_000 });
  const onBroken = (error: Error) => options.logger.debug({ err: error }, 'a database connection ended');
  // An idle connection reports through the pool. One in use reports through its query and, in addition, emits `error` itself; an
  // `error` event without a listener would end the process.
  pool.on('error', onBroken);
  pool.on('connect', (client) => client.on('error', onBroken));
  return pool;
}

/** Translates a failure for the callers of a connection. */
export type OnFailure = (failure: DatabaseFailure) => Error;

/** Returns a query builder on the pool whose statements are prepared once per connection. */
export function kysely(pool: pg.Pool, onFailure: OnFailure): Kysely<Schema> {
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool: preparing(pool, onFailure) }) });
}

const MAX_STATEMENTS = 500;

/** A connection, as Kysely uses it. */
export interface NamingClient {
  /** Runs a statement and returns the result of its last part. @throws the error that `onFailure` makes */
  query(text: string, values?: readonly unknown[]): Promise<pg.QueryResult<never>>;
  /** Returns the connection to its pool. */
  release(): void;
}

/**
 * Returns the connection with a name for each text, so that PostgreSQL parses and plans it once, and with translated failures.
 * @param names the names of texts so far, shared by the connections of a pool
 */
export function naming(
  client: pg.ClientBase,
  names: Map<string, string>,
  parts: { onFailure: OnFailure; release: () => void },
): NamingClient {
  const nameOf = (text: string): string | undefined => {
    const known = names.get(text);
    if (known !== undefined || names.size >= MAX_STATEMENTS) return known;
    const made = `p${names.size}`;
    names.set(text, made);
    return made;
  };
  const run = async (text: string, values: readonly unknown[]) => {
    if (values.length > 0) {
      const name = nameOf(text);
      return client.query({ text, values: [...values], ...(name === undefined ? {} : { name }) });
    }
    const result = (await client.query(text)) as pg.QueryResult | pg.QueryResult[];
    return Array.isArray(result) ? (result.at(-1) as pg.QueryResult) : result;
  };
  const query = (text: string, values: readonly unknown[] = []) =>
    run(text, values).catch((error) => {
      throw parts.onFailure(new DatabaseFailure(error));
    });
  return { query, release: parts.release } as NamingClient;
}

function preparing(pool: pg.Pool, onFailure: OnFailure): PostgresPool {
  const names = new Map<string, string>();
  return {
    connect: async () => {
      const client = await pool.connect().catch((error) => {
        throw onFailure(new DatabaseFailure(error));
      });
      return naming(client, names, { onFailure, release: () => client.release() });
    },
    end: () => pool.end(),
  } as unknown as PostgresPool;
}
