import type pg from 'pg';
import type { Database } from '../database.ts';
import type { Writer } from '../engine.ts';
import type { ConnectionOptions } from './connection.ts';
import { DatabaseFailure, isContention, isDatabaseError, isFatal, isOutcomeUnknown, isUniqueViolation } from './errors.ts';
import { CHANNEL } from './event-listener.ts';
import { PipelinedConnection } from './pipelined-connection.ts';

/** How long a unit that runs alone, and the end of a batch, wait for another server's lock. */
const LONG_LOCK_TIMEOUT_MS = 5_000;

/**
 * The connection that writes. It sends queries without waiting for earlier answers, so that units of a batch that run side by side
 * share round trips. {@link Writer} documents the methods.
 */
export class PostgresWriter implements Writer {
  readonly dialect = 'postgres';
  readonly runsTogether = true;
  readonly isUniqueViolation = isUniqueViolation;
  readonly isFatal = isFatal;
  readonly isContention = isContention;
  readonly isOutcomeUnknown = isOutcomeUnknown;
  readonly spoils = (error: unknown): boolean => error instanceof DatabaseFailure;
  readonly isDatabaseError = isDatabaseError;
  readonly #connection: PipelinedConnection;
  #marked = false;

  constructor(options: ConnectionOptions) {
    this.#connection = new PipelinedConnection(options, (failure) => failure);
  }

  async begin(alone: boolean): Promise<Database> {
    const { client, database } = await this.#connection.get();
    this.#marked = false;
    await client.query(alone ? `begin; set local lock_timeout = ${LONG_LOCK_TIMEOUT_MS}` : 'begin');
    return database;
  }

  async savepoint(): Promise<void> {
    await this.#run(this.#marked ? 'release savepoint unit; savepoint unit' : 'savepoint unit');
    this.#marked = true;
  }

  async rollbackToSavepoint(): Promise<void> {
    await this.#run('rollback to savepoint unit');
  }

  async waitLonger(): Promise<void> {
    await this.#run(`set local lock_timeout = ${LONG_LOCK_TIMEOUT_MS}`);
  }

  async beforeCommit(hasEvents: boolean): Promise<void> {
    if (hasEvents) await this.#run(`notify ${CHANNEL}`);
  }

  /** PostgreSQL answers the commit of a failed transaction with ROLLBACK and not with an error. */
  async commit(): Promise<void> {
    const { command } = await this.#run('commit');
    if (command !== 'COMMIT') throw new Error(`a commit was answered with ${command}`);
  }

  async rollback(): Promise<void> {
    if (this.#connection.isOpen) await this.#run('rollback');
  }

  /** Ends the connection. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  /** Runs a statement in the present transaction. A new connection would have no transaction, so that nothing may continue on it. */
  async #run(text: string): Promise<pg.QueryResult> {
    if (!this.#connection.isOpen) throw new DatabaseFailure(new Error('the connection is gone'));
    return (await this.#connection.get()).client.query(text);
  }
}
