import BetterSqlite from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import type { Database } from '../database.ts';
import type { Schema } from '../schema.ts';

/** How long a write waits for another process that holds the database. */
const BUSY_TIMEOUT_MS = 5_000;
const MAX_STATEMENTS = 500;
/** As far as it is used: a writer needs the inner pages of all indices of 100,000 routers, reads want leaves too. */
const CACHE_KIB = { writer: 16 * 1024, reader: 64 * 1024 };
/** 32 MiB of write-ahead log between two checkpoints: each costs a sync of the database file, and writes its pages a second time. */
const CHECKPOINT_PAGES = 8_000;

export interface Connection extends Database {
  /** Runs SQL without parameters or results. */
  exec(sql: string): void;
  inTransaction(): boolean;
}

/** Opens (or makes) a database file. A connection for reads refuses to write. */
export function connect(path: string, role: 'reader' | 'writer'): Connection {
  const database = new BetterSqlite(path, { timeout: BUSY_TIMEOUT_MS });
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('foreign_keys = ON');
  database.pragma(`cache_size = -${CACHE_KIB[role]}`);
  database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  if (role === 'reader') database.pragma('query_only = ON');
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
