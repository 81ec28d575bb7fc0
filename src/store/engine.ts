import { PinholeError } from '../model/errors.ts';
import type { Ports } from '../ports/ports.ts';
import { Changes } from './changes.ts';
import type { Database } from './database.ts';
import type { DialectName } from './dialect.ts';
import { type CommitDriver, GroupCommit } from './group-commit.ts';
import type { Store, Writes } from './interface.ts';
import { Journal, JournalEntries } from './journal.ts';
import { RouterLocks, type UnitLocks } from './router-locks.ts';
import { prepareStatements } from './statements.ts';
import { UsageLedger } from './usage-ledger.ts';

/**
 * A connection that writes, and the meaning of its database's errors. One transaction at a time:
 *
 *   begin ─▶ (savepoint ─▶ queries ─▶ [rollbackToSavepoint])* ─▶ waitLonger ─▶ beforeCommit ─▶ commit
 *        └──────────────────────── rollback, from any point ────────────────────────┘
 *
 * All methods reject with the database's error.
 */
export interface Writer {
  readonly dialect: DialectName;
  /** Whether several units of one transaction may have queries under way at the same time. */
  readonly runsTogether: boolean;
  /**
   * Starts a transaction.
   * @param alone true for a transaction of one unit, which may wait for other servers' locks for longer
   * @returns the handle for the transaction's queries
   */
  begin(alone: boolean): Promise<Database>;
  /** Sets the savepoint, in place of the one of the previous unit. */
  savepoint(): Promise<void>;
  /** Undoes everything since the savepoint. */
  rollbackToSavepoint(): Promise<void>;
  /**
   * Allows the rest of the transaction to wait for other servers' locks as long as a commit may take. Called when all units are
   * done.
   */
  waitLonger(): Promise<void>;
  /** Called last before the commit. @param hasEvents whether the transaction wrote events, of which other servers are then notified */
  beforeCommit(hasEvents: boolean): Promise<void>;
  /** Commits and resolves when the changes are on stable storage. */
  commit(): Promise<void>;
  /** Ends the transaction without a change. Does nothing if the connection is gone. */
  rollback(): Promise<void>;
  /** Whether a unique key refused the statement. */
  isUniqueViolation(error: unknown): boolean;
  /** Whether nothing of the transaction can be kept after this error (disk full, I/O error, connection lost). */
  isFatal(error: unknown): boolean;
  /** Whether the error came from a lock of another server, so that a repetition can succeed. */
  isContention(error: unknown): boolean;
  /** Whether, after this error of a commit, it is unknown if the commit was made. */
  isOutcomeUnknown(error: unknown): boolean;
  /**
   * Whether the database reported the error. The unit's queries may then have failed halfway, and the transaction must not
   * continue.
   */
  spoils(error: unknown): boolean;
  /** Whether the error is the database's own failure, about which no caller can do anything. */
  isDatabaseError(error: unknown): boolean;
}

/** Parts from which an {@link Engine} is made. */
export interface StoreParts extends Pick<Ports, 'clock' | 'chance'> {
  readonly writer: Writer;
  readonly chain: string;
  /** Called after this server committed events. */
  readonly onLocalEvents: () => void;
}

/** The writing half of a store: batches, their journal, and the translation of errors for callers. */
export class Engine implements Pick<Store, 'write' | 'refusesWrites' | 'commits'> {
  readonly #parts: StoreParts;
  readonly #group: GroupCommit<Changes>;
  #refuses = false;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#group = new GroupCommit(driver(parts), parts);
  }

  /** Runs a unit of work, as {@link Store.write} describes. */
  async write<T>(work: (tx: Writes) => Promise<T>, owner?: string): Promise<T> {
    const { writer } = this.#parts;
    try {
      const result = await this.#group.run(work, owner);
      this.#refuses = false;
      return result;
    } catch (error) {
      if (error instanceof PinholeError && error.code !== 'store-unavailable') throw error;
      if (!(error instanceof PinholeError) && !writer.isDatabaseError(error)) throw error;
      this.#refuses = true;
      if (error instanceof PinholeError) throw error;
      throw new PinholeError('store-unavailable', 'The database cannot take the change now. Nothing was changed.', { cause: error });
    }
  }

  /** As {@link Store.commits} describes. */
  get commits() {
    return this.#group.commits;
  }

  /** As {@link Store.refusesWrites} describes. */
  refusesWrites(): boolean {
    return this.#refuses;
  }

  /** Resolves when no unit waits or runs any more. */
  idle(): Promise<void> {
    return this.#group.idle();
  }
}

function driver({ writer, chain, onLocalEvents }: StoreParts): CommitDriver<Changes> {
  const statements = prepareStatements(writer.dialect);
  const journal = new Journal(chain);
  const ledger = new UsageLedger(statements);
  let database: Database;
  let entries = new JournalEntries();
  let locks = new RouterLocks();
  const unit = (unitLocks: UnitLocks | null) =>
    new Changes(database, statements, {
      dialect: writer.dialect,
      chain,
      usage: ledger.startUnit(),
      locks: unitLocks,
      isUniqueViolation: writer.isUniqueViolation,
    });
  return {
    runsTogether: writer.runsTogether,
    begin: async (alone) => {
      database = await writer.begin(alone);
      ledger.clear();
      entries = new JournalEntries();
      locks = new RouterLocks();
    },
    startUnit: async () => {
      await writer.savepoint();
      return unit(null);
    },
    startBeside: () => unit(locks.startUnit()),
    undoUnit: async (changes) => {
      await changes.usageOfUnit.undo(true);
      await writer.rollbackToSavepoint();
    },
    dropUnit: async (changes) => {
      await changes.usageOfUnit.undo(false);
      changes.end();
    },
    keepUnit: (changes) => {
      entries.add(changes.entries);
      changes.end();
    },
    commit: async () => {
      // The counter of events comes last, because other servers wait for its row from then until the commit.
      await Promise.all([writer.waitLonger(), ledger.write(database)]);
      await journal.write(database, entries);
      await Promise.all([writer.beforeCommit(entries.events.length > 0), commit(writer)]);
      journal.onCommit();
      if (entries.events.length > 0) onLocalEvents();
    },
    rollback: async () => {
      journal.onFailure();
      await writer.rollback();
    },
    isFatal: writer.isFatal,
    isContention: writer.isContention,
    spoils: writer.spoils,
    hasWritten: (changes) => changes.hasWritten,
  };
}

async function commit(writer: Writer): Promise<void> {
  try {
    await writer.commit();
  } catch (error) {
    if (!writer.isOutcomeUnknown(error)) throw error;
    throw new PinholeError(
      'store-unavailable',
      'The connection to the database broke during the commit. It is unknown whether the change was made.',
      {
        cause: error,
      },
    );
  }
}
