import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Database } from '../database.ts';
import type { Schema } from '../schema.ts';
import { type ConnectionOptions, connectionConfig, type NamingClient, naming, type OnFailure } from './connection.ts';
import { DatabaseFailure } from './errors.ts';

/** The open connection: for plain statements, and for prepared queries. */
export interface Pipelined {
  readonly client: NamingClient;
  readonly database: Database;
}

/**
 * One connection that sends each query without waiting for the answers to earlier ones. After it broke, it is opened again when it
 * is needed. A query waits for slow queries that were sent before it.
 */
export class PipelinedConnection {
  readonly #options: ConnectionOptions;
  readonly #onFailure: OnFailure;
  #client: pg.Client | null = null;
  #opening: Promise<Pipelined> | null = null;

  constructor(options: ConnectionOptions, onFailure: OnFailure) {
    this.#options = options;
    this.#onFailure = onFailure;
  }

  /** Returns the connection, opened if necessary. @throws the error that `onFailure` makes if it cannot be opened */
  get(): Promise<Pipelined> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  /** Whether the connection is open. A transaction that has begun on it is lost if it is not. */
  get isOpen(): boolean {
    return this.#client !== null;
  }

  /** Ends the connection, if there is one. */
  async close(): Promise<void> {
    await this.#client?.end().catch(() => undefined);
  }

  async #open(): Promise<Pipelined> {
    const client = new pg.Client({ ...connectionConfig(this.#options), pipeline: true } as pg.ClientConfig);
    const onEnd = () => {
      if (this.#client !== client) return;
      this.#client = null;
      this.#opening = null;
    };
    client.on('error', (error) => {
      this.#options.logger.debug({ err: error }, 'a database connection ended');
      onEnd();
    });
    client.on('end', onEnd);
    this.#client = client;
    try {
      await client.connect();
    } catch (error) {
      onEnd();
      throw this.#onFailure(new DatabaseFailure(error));
    }
    const named = naming(client, new Map(), { onFailure: this.#onFailure, release: () => undefined });
    const pool = { connect: async () => named, end: async () => undefined };
    const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: pool as never }) });
    const run: Database['run'] = async ({ sql }, parameters) => {
      const { rows, rowCount } = await named.query(sql, parameters);
      return { rows, changed: rowCount ?? 0 };
    };
    return { client: named, database: { db, run } };
  }
}
