import { existsSync } from 'node:fs';
import { type ConfigFlags, loadConfig, paths } from '../../config/config.ts';
import { InvalidInput } from '../../model/errors.ts';
import { silentLogger } from '../../ports/logger.ts';
import { print, printJson } from '../../terminal/table.ts';

/** Migrates the database to this version without starting a server, and prints the migrations that it ran. @throws InvalidInput without a data folder */
export async function migrate(flags: ConfigFlags & { json?: boolean }): Promise<void> {
  const config = loadConfig(flags, process.env);
  const { url } = config.server.database;
  const { serverDir } = paths(config);
  if (url === null && !existsSync(serverDir))
    throw new InvalidInput('data-dir', `There is no folder ${serverDir} for a database: the first start of a server makes it.`);
  const done =
    url === null
      ? await (await import('../../store/sqlite/store.ts')).migrateSqlite(paths(config).database)
      : await (await import('../../store/postgres/store.ts')).migratePostgres({ url, logger: silentLogger });
  if (flags.json) printJson({ migrations: done });
  else print(done.length === 0 ? 'the database is already at this version\n' : `done: ${done.join(', ')}\n`);
}
