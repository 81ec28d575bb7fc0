import { randomUUID } from 'node:crypto';
import Database from 'better-sqlite3';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import { PinholeError } from '../model/errors.ts';
import { GroupCommit } from './group-commit.ts';
import type { Store, Writes } from './interface.ts';
import { initial } from './migrations/0001-initial.ts';
import { Queries } from './queries.ts';
import type { Schema } from './schema.ts';
import { prepareStatements } from './statements.ts';

/** How long a write waits for another process that holds the database. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * Opens (or makes) the embedded database. WAL with synchronous=FULL: a commit returns after its fdatasync. Reads have a
 * connection of their own and so never see what is not committed.
 */
export async function openSqlite(path: string): Promise<Store> {
  const writer = open(path);
  await migrate(writer.db);
  const reader = open(path, { query_only: true });
  const statements = { write: prepareStatements(), read: prepareStatements() };
  const tx = new Queries(writer.db, statements.write, isUniqueViolation);
  const group = new GroupCommit<Writes>({
    begin: async () => {
      writer.exec('begin immediate');
      return tx;
    },
    isolated: async (queries, work) => {
      writer.exec('savepoint unit');
      try {
        const value = await work(queries);
        writer.exec('release unit');
        return value;
      } catch (error) {
        if (!isFatal(error)) writer.exec('rollback to unit; release unit');
        throw error;
      }
    },
    commit: async () => writer.exec('commit'),
    rollback: async () => {
      if (writer.inTransaction()) writer.exec('rollback');
      overwriteFailedCommit(writer);
    },
    isFatal,
  });
  return {
    read: new Queries(reader.db, statements.read, isUniqueViolation),
    write: async (work) => {
      try {
        return await group.run(work);
      } catch (error) {
        if (error instanceof PinholeError || !isSqliteError(error)) throw error;
        throw new PinholeError('store-unavailable', 'The database cannot take the change now; nothing was changed.', { cause: error });
      }
    },
    close: async () => {
      await group.idle();
      await reader.db.destroy();
      await writer.db.destroy();
    },
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

interface Connection {
  readonly db: Kysely<Schema>;
  exec(sql: string): void;
  inTransaction(): boolean;
}

function open(path: string, options: { query_only?: boolean } = {}): Connection {
  const database = new Database(path, { timeout: BUSY_TIMEOUT_MS });
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('foreign_keys = ON');
  if (options.query_only) database.pragma('query_only = ON');
  const statements = new Map<string, Database.Statement>();
  /** Kysely prepares at each run; a statement is the same whenever its text is. */
  const prepare = (text: string): Database.Statement => {
    const known = statements.get(text) ?? database.prepare(text);
    if (statements.size < 500) statements.set(text, known);
    return known;
  };
  const dialect = new SqliteDialect({ database: { prepare, close: () => database.close() } as unknown as Database.Database });
  return {
    db: new Kysely<Schema>({ dialect }),
    exec: (sql) => void database.exec(sql),
    inTransaction: () => database.inTransaction,
  };
}

async function migrate(db: Kysely<Schema>): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ '0001-initial': initial }) } });
  const { error } = await migrator.migrateToLatest();
  if (error) throw new PinholeError('store-unavailable', 'the database could not be brought to this version', { cause: error });
  await db
    .insertInto('meta')
    .values({ key: 'epoch', value: randomUUID() })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

function isSqliteError(error: unknown): error is { code: string } {
  return error instanceof Database.SqliteError;
}

function isUniqueViolation(error: unknown): boolean {
  return isSqliteError(error) && (error.code === 'SQLITE_CONSTRAINT_UNIQUE' || error.code === 'SQLITE_CONSTRAINT_PRIMARYKEY');
}

const FATAL = /^SQLITE_(FULL|IOERR|CORRUPT|NOTADB|NOMEM|READONLY|CANTOPEN|BUSY|PROTOCOL)/;

function isFatal(error: unknown): boolean {
  return isSqliteError(error) && FATAL.test(error.code);
}
