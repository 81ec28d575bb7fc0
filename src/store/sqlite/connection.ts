import BetterSqlite from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import type { Database } from '../database.ts';
import type { Schema } from '../schema.ts';

/** How long a statement waits for another process that holds the database's lock. */
const BUSY_TIMEOUT_MS = 5_000;
const MAX_STATEMENTS = 500;
/**
 * Upper bounds of the page caches. A writer needs the inner pages of all indices of 100,000 routers; reads profit from leaf pages
 * too.
 */
const CACHE_KIB = { writer: 16 * 1024, reader: 64 * 1024 };
/**
 * 32 MiB of write-ahead log between checkpoints. Each checkpoint costs a sync of the database file and writes its pages a second
 * time.
 */
const CHECKPOINT_PAGES = 8_000;

/** An open database file. */
export interface Connection extends Database {
  /** Runs SQL without parameters or results. */
  exec(sql: string): void;
  /** Whether a transaction is open. SQLite ends one by itself after some errors. */
  inTransaction(): boolean;
}

/**
 * Opens a database file, or creates it: WAL with `synchronous=FULL`, so that a commit returns after its fdatasync. A reader
 * refuses to write.
 * @throws SqliteError if the file cannot be opened or is not a database
 */
export function connect(path: string, role: 'reader' | 'writer'): Connection {
  const database = new BetterSqlite(path, { timeout: BUSY_TIMEOUT_MS });
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('foreign_keys = ON');
  database.pragma(`cache_size = -${CACHE_KIB[role]}`);
  database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  if (role === 'reader') database.pragma('query_only = ON');
  const statements = new Map<string, BetterSqlite.Statement>();
  /** Kysely prepares a statement at each run. Statements with the same text are kept and reused. */
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
