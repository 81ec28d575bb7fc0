import { openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Config, loadConfig, paths } from '../../config/config.ts';
import { InvalidInput } from '../../model/errors.ts';
import { systemClock } from '../../ports/clock.ts';
import { silentLogger } from '../../ports/logger.ts';
import { takeFolder } from '../../supervisor/take-folder.ts';
import { print, printJson } from '../../terminal/table.ts';
import type { BackupFlags } from './backup.ts';

const MAGIC = { sqlite: 'SQLite format 3\0', postgres: 'PGDMP' } as const;
const NAMES = { sqlite: 'an embedded database', postgres: 'a PostgreSQL database' } as const;
type Kind = keyof typeof MAGIC;

/**
 * Replaces the database by a backup, and keeps the one before it. The restored database has a new epoch, so that agents notice; its
 * installation stays.
 * @throws InvalidInput for a file that is no backup for this database, and while a server uses its folder; PinholeError
 * `store-unavailable` while servers use PostgreSQL, `program-missing`
 */
export async function restore(given: string, flags: BackupFlags): Promise<void> {
  const config = loadConfig(flags, process.env);
  const file = resolve(given);
  const source = open(file);
  const kind: Kind = config.server.database.url === null ? 'sqlite' : 'postgres';
  const found = kindOf(source);
  if (found === null) throw new InvalidInput('file', `${file} is no backup of a Pinhole database.`);
  if (found !== kind) throw new InvalidInput('file', `${file} is a backup of ${NAMES[found]}, and this configuration has ${NAMES[kind]}.`);
  const done = await into(config, { source, file, force: flags.force === true, at: systemClock.now() });
  if (flags.json) return printJson({ file, ...done });
  print(`the database is that of ${file} now${done.previous === null ? '' : `; the one before it is kept: ${done.previous}`}\n`);
  print("tokens that were revoked since the backup are valid again: see 'pinhole token list' after the server's start\n");
}

async function into(config: Config, { source, ...request }: { source: number; file: string; force: boolean; at: Date }) {
  const { url } = config.server.database;
  const { database, serverDir } = paths(config);
  if (url !== null) return (await import('../../store/postgres/backup.ts')).restorePostgres({ url, logger: silentLogger }, request);
  takeFolder(serverDir, config);
  return (await import('../../store/sqlite/backup.ts')).restoreSqlite(database, source, request);
}

function open(file: string): number {
  try {
    return openSync(file, 'r');
  } catch (error) {
    throw new InvalidInput('file', `${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}

function kindOf(source: number): Kind | null {
  const start = Buffer.alloc(MAGIC.sqlite.length);
  const size = readSync(source, start, 0, start.length, 0);
  const text = start.toString('latin1', 0, size);
  return (Object.keys(MAGIC) as Kind[]).find((kind) => text.startsWith(MAGIC[kind])) ?? null;
}
