import type { Command } from 'commander';
import { withClient } from '../options.ts';

/** Commands that compare declared state with files and with live kernels. */
export function defineManifest(program: Command): void {
  withClient(program.command('apply').description('make the declared state what a file says'))
    .requiredOption('-f, --file <file>', "YAML file ('-': standard input)")
    .option('--prune', 'remove what the file does not name')
    .option('--dry-run', 'only say what would change')
    .action(async (flags) => (await import('./apply.ts')).apply(flags));
  withClient(program.command('diff [router]').description('say how the declared state differs from a file, or live kernels from it'))
    .option('-f, --file <file>', "YAML file ('-': standard input); without it, the live kernels")
    .option('--prune', 'count what the file does not name')
    .action(async (router, flags) => (await import('./diff.ts')).diff(router, flags));
  withClient(program.command('plan [router]').description('say what a sync would change in the live kernel'))
    .option('--table', 'print the desired table too')
    .action(async (router, flags) => (await import('./plan.ts')).plan(router, flags));
  withClient(program.command('export').description('write the declared state as a file for apply')).action(async (flags) =>
    (await import('./export.ts')).exportAll(flags),
  );
}
