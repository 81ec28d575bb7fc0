import { Engine } from '../engine.ts';
import type { Store, StoreOptions } from '../interface.ts';
import { registerChain } from '../journal.ts';
import { migrate } from '../migrate.ts';
import { Queries } from '../queries.ts';
import { prepareStatements } from '../statements.ts';
import { connect } from './connection.ts';
import { SqliteWriter } from './writer.ts';

/**
 * Opens the embedded database, or creates it, and migrates it to this version. A commit returns after its fdatasync. Reads have a
 * connection of their own, so that they never see uncommitted data.
 * @param path the database file; its directory must exist
 * @throws PinholeError `store-unavailable` if it cannot be migrated
 */
export async function openSqlite(path: string, options: StoreOptions): Promise<Store> {
  const { chain } = options;
  const connection = connect(path, 'writer');
  await migrate(connection.db, 'sqlite');
  await registerChain(connection.db, chain);
  const reader = connect(path, 'reader');
  const read = new Queries(reader, prepareStatements('sqlite'));
  const listeners: (() => void)[] = [];
  const engine = new Engine({
    ...options,
    writer: new SqliteWriter(connection),
    onLocalEvents: () => {
      for (const listener of listeners) listener();
    },
  });
  return {
    read,
    chain,
    write: (work, owner) => engine.write(work, owner),
    refusesWrites: () => engine.refusesWrites(),
    get commits() {
      return engine.commits;
    },
    onEvents: (listener) => listeners.push(listener),
    close: async () => {
      await engine.idle();
      await reader.db.destroy();
      await connection.db.destroy();
    },
  };
}

/** Migrates a database file to this version. @returns names of the migrations that ran @throws as {@link openSqlite} */
export async function migrateSqlite(path: string): Promise<string[]> {
  const connection = connect(path, 'writer');
  try {
    return await migrate(connection.db, 'sqlite');
  } finally {
    await connection.db.destroy();
  }
}
