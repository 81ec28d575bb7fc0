import { PinholeError } from '../model/errors.ts';
import { Changes } from './changes.ts';
import type { Database } from './database.ts';
import type { DialectName } from './dialect.ts';
import { type CommitDriver, GroupCommit } from './group-commit.ts';
import type { Store, Writes } from './interface.ts';
import { Journal, JournalEntries } from './journal.ts';
import { prepareStatements } from './statements.ts';
import { UsageLedger } from './usage-ledger.ts';

/** One connection that writes, and what its database's errors mean. */
export interface Writer {
  readonly dialect: DialectName;
  /** @returns the handle for the transaction's queries */
  begin(alone: boolean): Promise<Database>;
  /** Replaces the savepoint of the unit before. */
  savepoint(): Promise<void>;
  rollbackToSavepoint(): Promise<void>;
  /** Called last before the commit, with true where events were written. */
  beforeCommit(hasEvents: boolean): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  isUniqueViolation(error: unknown): boolean;
  isFatal(error: unknown): boolean;
  isContention(error: unknown): boolean;
  /** After this error of a commit nobody knows whether it was made. */
  isOutcomeUnknown(error: unknown): boolean;
  /** One of the database's own errors, which no caller can do anything about. */
  isDatabaseError(error: unknown): boolean;
}

export interface StoreParts {
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
    this.#group = new GroupCommit(driver(parts));
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
  return {
    begin: async (alone) => {
      database = await writer.begin(alone);
      ledger.clear();
      entries = new JournalEntries();
    },
    startUnit: async () => {
      await writer.savepoint();
      ledger.startUnit();
      return new Changes(database, statements, { isUniqueViolation: writer.isUniqueViolation, usage: ledger });
    },
    undoUnit: () => {
      ledger.undoUnit();
      return writer.rollbackToSavepoint();
    },
    keepUnit: (unit) => {
      ledger.keepUnit();
      entries.add(unit.entries);
    },
    commit: async () => {
      await ledger.write(database);
      await journal.write(database, entries);
      await writer.beforeCommit(entries.events.length > 0);
      await commit(writer);
      journal.onCommit();
      if (entries.events.length > 0) onLocalEvents();
    },
    rollback: async () => {
      journal.onFailure();
      await writer.rollback();
    },
    isFatal: writer.isFatal,
    isContention: writer.isContention,
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
