import type { Command } from 'commander';
import { withData } from '../options.ts';

export function defineDb(program: Command): void {
  const db = program.command('db').description('the database');
  withData(db.command('migrate').description('bring it to this version'))
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('./migrate.ts')).migrate(flags));
}
