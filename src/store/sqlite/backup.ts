import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import BetterSqlite from 'better-sqlite3';
import { PinholeError } from '../../model/errors.ts';
import { type Contents, checkBackup, notABackup, type Restored, type RestoreRequest, stampOf } from '../backup.ts';
import { MIGRATIONS_TABLE } from '../migrate.ts';
import { migrateSqlite } from './store.ts';

const CHUNK = 1024 * 1024;
/** Files that SQLite keeps beside a database file. */
const COMPANIONS = ['-wal', '-shm'] as const;

/**
 * Writes a database, as of one moment, into an empty file, while servers write to it. A copy of the file alone would lack what is still
 * in the write-ahead log.
 * @throws PinholeError `store-unavailable` if there is no database
 */
export function backupSqlite(path: string, target: string): void {
  if (!existsSync(path)) throw new PinholeError('store-unavailable', `There is no database at ${path}.`);
  const database = new BetterSqlite(path, { readonly: true });
  try {
    database.prepare('vacuum into ?').run(target);
  } finally {
    database.close();
  }
}

/**
 * Replaces a database by a backup. The caller has locked the folder. At every moment, the file is the previous database or the whole
 * new one; the previous one stays under another name.
 * @param source an open backup, at its beginning
 * @throws InvalidInput if it is no backup, damaged, of a newer version or of another installation; nothing has changed then
 */
export async function restoreSqlite(path: string, source: number, request: RestoreRequest): Promise<Restored> {
  const fresh = `${path}.restoring`;
  removeDatabase(fresh);
  try {
    copy(source, fresh);
    const identity = await prepare(fresh, installationOf(path), request);
    sync(fresh);
    const previous = keepPrevious(path, `${path}.before-${stampOf(request.at)}`);
    renameSync(fresh, path);
    sync(dirname(path));
    return { ...identity, previous };
  } finally {
    removeDatabase(fresh);
  }
}

/** Checks a copy of a backup, migrates it to this version, and gives it a new epoch. */
async function prepare(path: string, current: string | null, request: RestoreRequest): Promise<Omit<Restored, 'previous'>> {
  const installation = checkBackup(readContents(path, request.file), current, request);
  await migrateSqlite(path);
  const database = new BetterSqlite(path);
  try {
    const set = database.prepare('update meta set value = ? where key = ?');
    const epoch = randomUUID();
    set.run(epoch, 'epoch');
    if (installation !== null) set.run(installation, 'installation');
    return { epoch, installation: metaOf(database).get('installation') as string };
  } finally {
    database.close();
  }
}

function readContents(path: string, file: string): Contents {
  let database: BetterSqlite.Database | null = null;
  try {
    database = new BetterSqlite(path);
    if (database.pragma('quick_check', { simple: true }) !== 'ok') throw notABackup(file);
    const ran = database.prepare(`select name from ${MIGRATIONS_TABLE}`).all() as { name: string }[];
    return { migrations: ran.map(({ name }) => name), meta: metaOf(database) };
  } catch (error) {
    if (error instanceof BetterSqlite.SqliteError && /^SQLITE_(ERROR|NOTADB|CORRUPT)/.test(error.code)) throw notABackup(file);
    throw error;
  } finally {
    database?.close();
  }
}

function metaOf(database: BetterSqlite.Database): Map<string, string> {
  const rows = database.prepare('select key, value from meta').all() as { key: string; value: string }[];
  return new Map(rows.map(({ key, value }) => [key, value]));
}

/** The installation of a database; null if there is none, or it cannot be read any more: that may be why it is replaced. */
function installationOf(path: string): string | null {
  if (!existsSync(path)) return null;
  let database: BetterSqlite.Database | null = null;
  try {
    database = new BetterSqlite(path);
    return metaOf(database).get('installation') ?? null;
  } catch (error) {
    if (error instanceof BetterSqlite.SqliteError) return null;
    throw error;
  } finally {
    database?.close();
  }
}

/**
 * Gives the database a second name. Its write-ahead log must not stay: SQLite would apply it to the new file. Closing the last
 * connection has written it into a sound database. A log that is still there is of a damaged one, and keeps its database company.
 */
function keepPrevious(path: string, kept: string): string | null {
  if (!existsSync(path)) return null;
  linkSync(path, kept);
  if (existsSync(`${path}-wal`)) linkSync(`${path}-wal`, `${kept}-wal`);
  sync(dirname(path));
  for (const companion of COMPANIONS) rmSync(`${path}${companion}`, { force: true });
  return kept;
}

function copy(source: number, target: string): void {
  const fd = openSync(target, 'wx', 0o600);
  try {
    const chunk = Buffer.alloc(CHUNK);
    for (let at = 0, size = 0; ; at += size) {
      size = readSync(source, chunk, 0, CHUNK, at);
      if (size === 0) break;
      for (let written = 0; written < size; ) written += writeSync(fd, chunk, written, size - written);
    }
  } finally {
    closeSync(fd);
  }
}

function removeDatabase(path: string): void {
  for (const suffix of ['', ...COMPANIONS, '-journal']) rmSync(`${path}${suffix}`, { force: true });
}

/** Waits until a file, or the names in a folder, are on disk. */
function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
