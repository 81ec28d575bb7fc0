import type { Command } from 'commander';
import { withClient } from '../options.ts';

export function defineQuota(program: Command): void {
  const quota = program.command('quota').description('how much a project may have');
  withClient(quota.command('show <project>')).action(async (project, flags) => (await import('./show.ts')).show(project, flags));
  withClient(quota.command('set <project>'))
    .option('--routers <limit>', "a number, 'none' or 'default'")
    .option('--helpers <limit>', "a number, 'none' or 'default'")
    .action(async (project, flags) => (await import('./set.ts')).set(project, flags));
}
