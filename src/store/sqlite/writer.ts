import type { Database } from '../database.ts';
import type { Writer } from '../engine.ts';
import type { Connection } from './connection.ts';
import { isContention, isDatabaseError, isFatal, isOutcomeUnknown, isUniqueViolation } from './errors.ts';

/** The one connection that writes. */
export class SqliteWriter implements Writer {
  readonly dialect = 'sqlite';
  /** Statements answer at once, so nothing would be gained. */
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

  /** `begin immediate` holds the one lock there is. */
  async waitLonger(): Promise<void> {}

  /** One process has the database, and hears of events from the engine. */
  async beforeCommit(): Promise<void> {}

  async commit(): Promise<void> {
    this.#connection.exec('commit');
  }

  async rollback(): Promise<void> {
    if (this.#connection.inTransaction()) this.#connection.exec('rollback');
    this.#overwriteFailedCommit();
  }

  /**
   * A commit whose sync failed stands whole in the write-ahead log all the same: were the process killed now, recovery would
   * take it, although it was refused. Another commit overwrites it there; whether that one lasts makes no difference.
   */
  #overwriteFailedCommit(): void {
    try {
      this.#connection.exec("insert into meta values ('failed_commits', '1') on conflict (key) do update set value = value + 1");
    } catch {
      if (this.#connection.inTransaction()) this.#connection.exec('rollback');
    }
  }
}
