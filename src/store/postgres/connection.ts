import { Kysely, PostgresDialect, type PostgresPool } from 'kysely';
import pg from 'pg';
import { InvalidInput } from '../../model/errors.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Schema } from '../schema.ts';
import { DatabaseFailure } from './errors.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 15_000;
/** What a unit of a batch waits for another server's locks. */
const BATCH_LOCK_TIMEOUT_MS = 50;

export interface ConnectionOptions {
  /** `postgresql://user:password@host:port/database`, or with `?host=/run/postgresql` for a socket. */
  readonly url: string;
  readonly logger: Logger;
}

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

/** Counters and sequence numbers stay far below 2^53. */
const INT8 = 20;

export function createPool(options: ConnectionOptions, max: number): pg.Pool {
  const pool = new pg.Pool({ ...connectionConfig(options), max, idleTimeoutMillis: 30_000 });
  const onBroken = (error: Error) => options.logger.debug({ err: error }, 'a database connection ended');
  // While nobody uses it the pool tells; while somebody does, its query fails, and the connection says so beside that: an
  // `error` event that nobody hears ends the process.
  pool.on('error', onBroken);
  pool.on('connect', (client) => client.on('error', onBroken));
  return pool;
}

export type OnFailure = (failure: DatabaseFailure) => Error;

export function kysely(pool: pg.Pool, onFailure: OnFailure): Kysely<Schema> {
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool: preparing(pool, onFailure) }) });
}

const MAX_STATEMENTS = 500;

/** A connection as Kysely sees one. */
export interface NamingClient {
  query(text: string, values?: readonly unknown[]): Promise<pg.QueryResult<never>>;
  release(): void;
}

/** Names each text, so that a connection parses and plans it once; wraps what fails. */
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
