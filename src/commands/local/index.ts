import type { Command } from 'commander';

/** Commands of this machine that need no server. */
export function defineLocal(program: Command): void {
  program
    .command('purge')
    .description("remove everything of Pinhole's from this host's kernel (as root)")
    .option('--netns <pattern>', "only in network namespaces like 'qrouter-*' (default: all, and the host's own)")
    .option('--keep-live', 'leave helpers on live connections')
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('./purge.ts')).purge(flags));
  program
    .command('demo')
    .description('show the main job on throw-away namespaces (as root)')
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('./demo.ts')).demo(flags));
  program
    .command('bench')
    .description('measure this machine (as root; from a checkout)')
    .option('--only <names>', 'comma-separated parts')
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('./bench.ts')).bench(flags));
  program
    .command('completion')
    .description('print completion for bash')
    .action(async () => (await import('./completion.ts')).completion(program));
}
