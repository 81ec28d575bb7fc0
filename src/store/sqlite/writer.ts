import type { Database } from '../database.ts';
import type { Writer } from '../engine.ts';
import type { Connection } from './connection.ts';
import { isContention, isDatabaseError, isFatal, isOutcomeUnknown, isUniqueViolation } from './errors.ts';

/** The connection that writes. {@link Writer} documents the methods. */
export class SqliteWriter implements Writer {
  readonly dialect = 'sqlite';
  /** Statements are synchronous, so that units side by side would gain nothing. */
  readonly runsTogether = false;
  readonly isUniqueViolation = isUniqueViolation;
  readonly isFatal = isFatal;
  readonly isContention = isContention;
  readonly isOutcomeUnknown = isOutcomeUnknown;
  readonly spoils = isDatabaseError;
  readonly isDatabaseError = isDatabaseError;
  readonly #connection: Connection;
  #marked = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async begin(): Promise<Database> {
    this.#connection.exec('begin immediate');
    this.#marked = false;
    return this.#connection;
  }

  async savepoint(): Promise<void> {
    this.#connection.exec(this.#marked ? 'release unit; savepoint unit' : 'savepoint unit');
    this.#marked = true;
  }

  async rollbackToSavepoint(): Promise<void> {
    this.#connection.exec('rollback to unit');
  }

  /** `begin immediate` already holds the only lock. */
  async waitLonger(): Promise<void> {}

  /** One process owns the database, and learns of events from the engine. */
  async beforeCommit(): Promise<void> {}

  async commit(): Promise<void> {
    this.#connection.exec('commit');
  }

  async rollback(): Promise<void> {
    if (this.#connection.inTransaction()) this.#connection.exec('rollback');
    this.#overwriteFailedCommit();
  }

  /**
   * A commit whose sync failed is complete in the write-ahead log all the same. If the process were killed now, recovery would
   * apply it, although its callers were told that it failed. Another commit overwrites it there; it does not matter whether that
   * one lasts.
   */
  #overwriteFailedCommit(): void {
    try {
      this.#connection.exec("insert into meta values ('failed_commits', '1') on conflict (key) do update set value = value + 1");
    } catch {
      if (this.#connection.inTransaction()) this.#connection.exec('rollback');
    }
  }
}
