import { CompiledQuery, type ControlledTransaction, Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely';
import pg from 'pg';
import { InvalidInput, PinholeError } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { throughKysely } from './database.ts';
import { Engine, type Writer } from './engine.ts';
import type { Store, StoreOptions } from './interface.ts';
import { migrate } from './migrate.ts';
import { Queries } from './queries.ts';
import type { Schema } from './schema.ts';
import { prepareStatements } from './statements.ts';

export interface PostgresOptions extends StoreOptions {
  /** `postgresql://user:password@host:port/database`, or with `?host=/run/postgresql` for a socket. */
  readonly url: string;
  /** Connections for reads. Writes share one, events are listened for on another. */
  readonly connections: number;
  readonly logger: Logger;
}

const CHANNEL = 'pinhole_events';
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 15_000;
/** What a unit of a batch waits for another server's locks; one that runs alone may wait longer. */
const BATCH_LOCK_TIMEOUT_MS = 50;
const ALONE_LOCK_TIMEOUT_MS = 5_000;
const RELISTEN_MS = 1_000;

/** Opens the fleet's database and brings it to this version. @throws PinholeError `store-unavailable` */
export async function openPostgres(options: PostgresOptions): Promise<Store> {
  const pools = { write: createPool(options, 1), read: createPool(options, options.connections) };
  const db = { write: kysely(pools.write, (failure) => failure), read: kysely(pools.read, readFailure) };
  try {
    await migrate(db.write, 'postgres');
  } catch (error) {
    await Promise.all([db.write.destroy(), db.read.destroy()]);
    throw unavailable(error);
  }
  const read = new Queries(throughKysely(db.read), prepareStatements('postgres'));
  const listener = new EventListener(options);
  // What this server commits it is told of like the others: by the database.
  const engine = new Engine({ writer: postgresWriter(db.write), chain: options.chain, onLocalEvents: () => undefined });
  return {
    read,
    chain: options.chain,
    write: (work) => engine.write(work),
    onEvents: (callback) => listener.add(callback),
    close: async () => {
      await engine.idle();
      await listener.close();
      await Promise.all([db.write.destroy(), db.read.destroy()]);
    },
  };
}

/** Brings the database to this version. @returns names of the migrations that ran */
export async function migratePostgres(options: Omit<PostgresOptions, 'chain' | 'connections'>): Promise<string[]> {
  const db = kysely(createPool(options, 1), (failure) => failure);
  try {
    return await migrate(db, 'postgres');
  } catch (error) {
    throw unavailable(error);
  } finally {
    await db.destroy();
  }
}

function postgresWriter(db: Kysely<Schema>): Writer {
  let tx: ControlledTransaction<Schema> | null = null;
  let marked = false;
  const run = (text: string) => (tx as ControlledTransaction<Schema>).executeQuery(CompiledQuery.raw(text));
  return {
    dialect: 'postgres',
    begin: async (alone) => {
      tx = await db.startTransaction().execute();
      marked = false;
      if (alone) await run(`set local lock_timeout = ${ALONE_LOCK_TIMEOUT_MS}`);
      return throughKysely(tx);
    },
    savepoint: async () => {
      await run(marked ? 'release savepoint unit; savepoint unit' : 'savepoint unit');
      marked = true;
    },
    rollbackToSavepoint: async () => void (await run('rollback to savepoint unit')),
    beforeCommit: async (hasEvents) => {
      if (hasEvents) await run(`notify ${CHANNEL}`);
    },
    commit: async () => {
      await tx?.commit().execute();
      tx = null;
    },
    rollback: async () => {
      await tx?.rollback().execute();
      tx = null;
    },
    isUniqueViolation: (error) => codeOf(error) === '23505',
    isFatal: (error) => error instanceof DatabaseFailure && !SURVIVABLE.test(error.code),
    isContention: (error) => CONTENTION.has(codeOf(error) ?? ''),
    isOutcomeUnknown: (error) => OUTCOME_UNKNOWN.test(codeOf(error) ?? 'none'),
    isDatabaseError,
  };
}

/** What the database, or the way to it, answered instead of a result. */
class DatabaseFailure extends Error {
  /** SQLSTATE; empty where no answer came. */
  readonly code: string;

  constructor(cause: unknown) {
    super((cause as Error).message, { cause });
    this.code = cause instanceof pg.DatabaseError ? (cause.code ?? '') : '';
  }

  /** The statement was wrong, not the database (data exceptions, syntax): a mistake of ours. */
  get isMistake(): boolean {
    return /^(22|42)/.test(this.code);
  }
}

/** After these the connection and the transaction up to the savepoint are whole (SQLSTATE classes of the manual's appendix A). */
const SURVIVABLE = /^(22|23|40|42|55)/;
/** serialization_failure, deadlock_detected, lock_not_available. */
const CONTENTION = new Set(['40001', '40P01', '55P03']);
/** No answer, or the server going down: it may have committed before. */
const OUTCOME_UNKNOWN = /^(08|57|$)/;

function codeOf(error: unknown): string | null {
  return error instanceof DatabaseFailure ? error.code : null;
}

function isDatabaseError(error: unknown): boolean {
  return error instanceof DatabaseFailure && !error.isMistake;
}

function unavailable(error: unknown): unknown {
  const cause = error instanceof PinholeError && error.code === 'store-unavailable' ? (error.cause ?? error) : error;
  if (!(cause instanceof DatabaseFailure)) return error;
  return new PinholeError('store-unavailable', `The database cannot be used now: ${cause.message}`, { cause });
}

/** Reads say so by themselves; writes are a batch's. */
function readFailure(error: DatabaseFailure): Error {
  return error.isMistake ? error : new PinholeError('store-unavailable', 'The database cannot be read now.', { cause: error });
}

function connectionConfig({ url, logger }: Pick<PostgresOptions, 'url' | 'logger'>): pg.ClientConfig & pg.PoolConfig {
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

function createPool(options: Pick<PostgresOptions, 'url' | 'logger'>, max: number): pg.Pool {
  const pool = new pg.Pool({ ...connectionConfig(options), max, idleTimeoutMillis: 30_000 });
  const onBroken = (error: Error) => options.logger.debug({ err: error }, 'a database connection ended');
  // While nobody uses it the pool tells; while somebody does, its query fails, and the connection says so beside that: an
  // `error` event that nobody hears ends the process.
  pool.on('error', onBroken);
  pool.on('connect', (client) => client.on('error', onBroken));
  return pool;
}

type OnFailure = (failure: DatabaseFailure) => Error;

function kysely(pool: pg.Pool, onFailure: OnFailure): Kysely<Schema> {
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool: preparing(pool, onFailure) }) });
}

const MAX_STATEMENTS = 500;

/** Names each text, so that a connection parses and plans it once. */
function preparing(pool: pg.Pool, onFailure: OnFailure): PostgresPool {
  const names = new Map<string, string>();
  const nameOf = (text: string): string | undefined => {
    const known = names.get(text);
    if (known !== undefined || names.size >= MAX_STATEMENTS) return known;
    const made = `p${names.size}`;
    names.set(text, made);
    return made;
  };
  const run = async (client: pg.PoolClient, text: string, values: readonly unknown[]) => {
    if (values.length > 0) {
      const name = nameOf(text);
      return client.query({ text, values: [...values], ...(name === undefined ? {} : { name }) });
    }
    const result = (await client.query(text)) as pg.QueryResult | pg.QueryResult[];
    return Array.isArray(result) ? (result.at(-1) as pg.QueryResult) : result;
  };
  const failing = (error: unknown): never => {
    throw onFailure(new DatabaseFailure(error));
  };
  const wrap = (client: pg.PoolClient) => ({
    query: (text: string, values: readonly unknown[] = []) => run(client, text, values).catch(failing),
    release: () => client.release(),
  });
  return {
    connect: async () => wrap(await pool.connect().catch(failing)) as unknown as PostgresPoolClient,
    end: () => pool.end(),
  } as PostgresPool;
}

/** Hears of events that any server committed; after the connection was away, takes it that there were some. */
class EventListener {
  readonly #options: PostgresOptions;
  readonly #callbacks: (() => void)[] = [];
  #client: pg.Client | null = null;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: PostgresOptions) {
    this.#options = options;
  }

  add(callback: () => void): void {
    this.#callbacks.push(callback);
    if (this.#callbacks.length === 1) void this.#listen();
  }

  fire(): void {
    for (const callback of this.#callbacks) callback();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    await this.#client?.end().catch(() => undefined);
  }

  async #listen(): Promise<void> {
    const client = new pg.Client(connectionConfig(this.#options));
    this.#client = client;
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      if (!this.#closed) this.#timer = setTimeout(() => void this.#listen(), RELISTEN_MS);
      void client.end().catch(() => undefined);
    };
    client.on('error', end);
    client.on('end', end);
    client.on('notification', () => this.fire());
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
      this.fire();
    } catch {
      end();
    }
  }
}
