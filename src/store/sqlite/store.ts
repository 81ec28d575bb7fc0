import BetterSqlite from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import type { Database } from '../database.ts';
import { Engine, type Writer } from '../engine.ts';
import type { Store, StoreOptions } from '../interface.ts';
import { registerChain } from '../journal.ts';
import { migrate } from '../migrate.ts';
import { Queries } from '../queries.ts';
import type { Schema } from '../schema.ts';
import { prepareStatements } from '../statements.ts';

/** How long a write waits for another process that holds the database. */
const BUSY_TIMEOUT_MS = 5_000;
const MAX_STATEMENTS = 500;
/** As far as it is used: a writer needs the inner pages of all indices of 100,000 routers, reads want leaves too. */
const CACHE_KIB = { writer: 16 * 1024, reader: 64 * 1024 };
/** 32 MiB of write-ahead log between two checkpoints: each costs a sync of the database file, and writes its pages a second time. */
const CHECKPOINT_PAGES = 8_000;

/**
 * Opens (or makes) the embedded database. WAL with synchronous=FULL: a commit returns after its fdatasync. Reads have a
 * connection of their own and so never see what is not committed.
 */
export async function openSqlite(path: string, options: StoreOptions): Promise<Store> {
  const { chain } = options;
  const writer = open(path);
  await migrate(writer.db, 'sqlite');
  await registerChain(writer.db, chain);
  const reader = open(path, { query_only: true });
  const read = new Queries(reader, prepareStatements('sqlite'));
  const listeners: (() => void)[] = [];
  const engine = new Engine({
    ...options,
    writer: sqliteWriter(writer),
    onLocalEvents: () => {
      for (const listener of listeners) listener();
    },
  });
  return {
    read,
    chain,
    write: (work) => engine.write(work),
    onEvents: (listener) => listeners.push(listener),
    close: async () => {
      await engine.idle();
      await reader.db.destroy();
      await writer.db.destroy();
    },
  };
}

/** Brings a database file to this version. @returns names of the migrations that ran */
export async function migrateSqlite(path: string): Promise<string[]> {
  const connection = open(path);
  try {
    return await migrate(connection.db, 'sqlite');
  } finally {
    await connection.db.destroy();
  }
}

function sqliteWriter(connection: Connection): Writer {
  let marked = false;
  return {
    dialect: 'sqlite',
    // Its statements answer at once: nothing would be gained.
    runsTogether: false,
    begin: async () => {
      connection.exec('begin immediate');
      marked = false;
      return connection;
    },
    savepoint: async () => {
      connection.exec(marked ? 'release unit; savepoint unit' : 'savepoint unit');
      marked = true;
    },
    rollbackToSavepoint: async () => connection.exec('rollback to unit'),
    waitLonger: async () => undefined,
    beforeCommit: async () => undefined,
    commit: async () => connection.exec('commit'),
    rollback: async () => {
      if (connection.inTransaction()) connection.exec('rollback');
      overwriteFailedCommit(connection);
    },
    isUniqueViolation,
    isFatal: (error) => isSqliteError(error) && FATAL.test(error.code),
    isContention: () => false,
    isOutcomeUnknown: () => false,
    spoils: isSqliteError,
    isDatabaseError: isSqliteError,
  };
}

/**
 * A commit whose sync failed stands whole in the write-ahead log all the same: were the process killed now, recovery would
 * take it, although it was refused. Another commit overwrites it there; whether that one lasts makes no difference.
 */
function overwriteFailedCommit(writer: Connection): void {
  try {
    writer.exec("insert into meta values ('failed_commits', '1') on conflict (key) do update set value = value + 1");
  } catch {
    if (writer.inTransaction()) writer.exec('rollback');
  }
}

interface Connection extends Database {
  exec(sql: string): void;
  inTransaction(): boolean;
}

function open(path: string, options: { query_only?: boolean } = {}): Connection {
  const database = new BetterSqlite(path, { timeout: BUSY_TIMEOUT_MS });
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('foreign_keys = ON');
  database.pragma(`cache_size = -${options.query_only ? CACHE_KIB.reader : CACHE_KIB.writer}`);
  database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  if (options.query_only) database.pragma('query_only = ON');
  const statements = new Map<string, BetterSqlite.Statement>();
  /** Kysely prepares at each run; a statement is the same whenever its text is. */
  const prepare = (text: string): BetterSqlite.Statement => {
    const known = statements.get(text) ?? database.prepare(text);
    if (statements.size < MAX_STATEMENTS) statements.set(text, known);
    return known;
  };
  const dialect = new SqliteDialect({ database: { prepare, close: () => database.close() } as unknown as BetterSqlite.Database });
  return {
    db: new Kysely<Schema>({ dialect }),
    run: ({ sql }, parameters) => {
      const statement = prepare(sql);
      if (statement.reader) return { rows: statement.all(parameters) as never[], changed: 0 };
      return { rows: [], changed: statement.run(parameters).changes };
    },
    exec: (sql) => void database.exec(sql),
    inTransaction: () => database.inTransaction,
  };
}

function isSqliteError(error: unknown): error is { code: string } {
  return error instanceof BetterSqlite.SqliteError;
}

function isUniqueViolation(error: unknown): boolean {
  return isSqliteError(error) && (error.code === 'SQLITE_CONSTRAINT_UNIQUE' || error.code === 'SQLITE_CONSTRAINT_PRIMARYKEY');
}

const FATAL = /^SQLITE_(FULL|IOERR|CORRUPT|NOTADB|NOMEM|READONLY|CANTOPEN|BUSY|PROTOCOL)/;
