import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Database } from '../database.ts';
import type { Writer } from '../engine.ts';
import type { Schema } from '../schema.ts';
import { type ConnectionOptions, connectionConfig, type NamingClient, naming } from './connection.ts';
import { DatabaseFailure, isContention, isDatabaseError, isFatal, isOutcomeUnknown, isUniqueViolation } from './errors.ts';
import { CHANNEL } from './event-listener.ts';

/** What a unit that runs alone waits for another server's locks. */
const ALONE_LOCK_TIMEOUT_MS = 5_000;

/**
 * The one connection that writes. Queries are sent without waiting for the answers of those before: units of a batch that
 * run side by side share the round trips.
 */
export class PostgresWriter implements Writer {
  readonly dialect = 'postgres';
  readonly runsTogether = true;
  readonly isUniqueViolation = isUniqueViolation;
  readonly isFatal = isFatal;
  readonly isContention = isContention;
  readonly isOutcomeUnknown = isOutcomeUnknown;
  readonly isDatabaseError = isDatabaseError;
  readonly #options: ConnectionOptions;
  #client: pg.Client | null = null;
  #connection: { naming: NamingClient; database: Database } | null = null;
  #marked = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  async begin(alone: boolean): Promise<Database> {
    const { naming, database } = this.#connection ?? (await this.#connect());
    this.#marked = false;
    await naming.query(alone ? `begin; set local lock_timeout = ${ALONE_LOCK_TIMEOUT_MS}` : 'begin');
    return database;
  }

  async savepoint(): Promise<void> {
    await this.#run(this.#marked ? 'release savepoint unit; savepoint unit' : 'savepoint unit');
    this.#marked = true;
  }

  async rollbackToSavepoint(): Promise<void> {
    await this.#run('rollback to savepoint unit');
  }

  async beforeCommit(hasEvents: boolean): Promise<void> {
    if (hasEvents) await this.#run(`notify ${CHANNEL}`);
  }

  /** PostgreSQL answers the commit of a transaction that failed with ROLLBACK, and with no error. */
  async commit(): Promise<void> {
    const { command } = await this.#run('commit');
    if (command !== 'COMMIT') throw new Error(`a commit was answered with ${command}`);
  }

  async rollback(): Promise<void> {
    if (this.#connection) await this.#run('rollback');
  }

  async close(): Promise<void> {
    await this.#client?.end().catch(() => undefined);
  }

  async #run(text: string): Promise<pg.QueryResult> {
    if (!this.#connection) throw new DatabaseFailure(new Error('the connection is gone'));
    return this.#connection.naming.query(text);
  }

  async #connect(): Promise<{ naming: NamingClient; database: Database }> {
    const client = new pg.Client({ ...connectionConfig(this.#options), pipeline: true } as pg.ClientConfig);
    const onEnd = () => {
      if (this.#client !== client) return;
      this.#client = null;
      this.#connection = null;
    };
    client.on('error', (error) => {
      this.#options.logger.debug({ err: error }, 'the database connection for writes ended');
      onEnd();
    });
    client.on('end', onEnd);
    this.#client = client;
    try {
      await client.connect();
    } catch (error) {
      onEnd();
      throw new DatabaseFailure(error);
    }
    const named = naming(client, new Map(), { onFailure: (failure) => failure, release: () => undefined });
    const pool = { connect: async () => named, end: async () => undefined };
    const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: pool as never }) });
    const database: Database = {
      db,
      run: async ({ sql }, parameters) => {
        const { rows, rowCount } = await named.query(sql, parameters);
        return { rows, changed: rowCount ?? 0 };
      },
    };
    this.#connection = { naming: named, database };
    return this.#connection;
  }
}
