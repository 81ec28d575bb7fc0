import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { type ConfigFlags, loadConfig, paths } from '../../config/config.ts';
import { silentLogger } from '../../ports/logger.ts';
import { newFile } from '../../terminal/new-file.ts';
import { print, printJson } from '../../terminal/table.ts';

/** The flags of `db backup` and `db restore`. */
export interface BackupFlags extends ConfigFlags {
  readonly force?: boolean;
  readonly json?: boolean;
}

/**
 * Writes the database, as of one moment, into a file that only its owner may read. Servers may work meanwhile.
 * @throws InvalidInput if the file exists, without `--force`; PinholeError `store-unavailable`, `program-missing`
 */
export async function backup(file: string, flags: BackupFlags): Promise<void> {
  const config = loadConfig(flags, process.env);
  const { url } = config.server.database;
  const target = newFile(resolve(file), { field: 'file', force: flags.force === true });
  try {
    if (url === null) (await import('../../store/sqlite/backup.ts')).backupSqlite(paths(config).database, target.partial);
    else await (await import('../../store/postgres/backup.ts')).backupPostgres({ url, logger: silentLogger }, target.partial);
    target.keep();
  } finally {
    target.close();
  }
  const { size } = statSync(file);
  if (flags.json) printJson({ file: resolve(file), bytes: size });
  else print(`the database is in ${file} (${size} bytes)\n`);
}
