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

/** One connection that writes, and what its database's errors mean. */
export interface Writer {
  readonly dialect: DialectName;
  /** Whether queries of several units may be under way at a time. */
  readonly runsTogether: boolean;
  /** @returns the handle for the transaction's queries */
  begin(alone: boolean): Promise<Database>;
  /** Replaces the savepoint of the unit before. */
  savepoint(): Promise<void>;
  rollbackToSavepoint(): Promise<void>;
  /** From here on the transaction waits for others' locks as long as a commit may take: it does nothing else any more. */
  waitLonger(): Promise<void>;
  /** Called last before the commit, with true where events were written. */
  beforeCommit(hasEvents: boolean): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  isUniqueViolation(error: unknown): boolean;
  isFatal(error: unknown): boolean;
  isContention(error: unknown): boolean;
  /** After this error of a commit nobody knows whether it was made. */
  isOutcomeUnknown(error: unknown): boolean;
  /** Any answer of the database's that is an error: what it has of the transaction is not to be gone on with. */
  spoils(error: unknown): boolean;
  /** One of the database's own errors, which no caller can do anything about. */
  isDatabaseError(error: unknown): boolean;
}

export interface StoreParts extends Pick<Ports, 'clock' | 'chance'> {
  readonly writer: Writer;
  readonly chain: string;
  /** Called after this server committed events. */
  readonly onLocalEvents: () => void;
}

/** The writing half of a store: batches, their journal, and errors as callers know them. */
export class Engine implements Pick<Store, 'write'> {
  readonly #parts: StoreParts;
  readonly #group: GroupCommit<Changes>;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.#group = new GroupCommit(driver(parts), parts);
  }

  async write<T>(work: (tx: Writes) => Promise<T>): Promise<T> {
    const { writer } = this.#parts;
    try {
      return await this.#group.run(work);
    } catch (error) {
      if (error instanceof PinholeError || !writer.isDatabaseError(error)) throw error;
      throw new PinholeError('store-unavailable', 'The database cannot take the change now; nothing was changed.', { cause: error });
    }
  }

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
      // The counter of events last: other servers wait for it from then to the commit.
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
    throw new PinholeError('store-unavailable', 'The database went away during the commit: whether the change was made is not known.', {
      cause: error,
    });
  }
}
