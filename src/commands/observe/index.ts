import type { Command } from 'commander';
import { withClient } from '../options.ts';

/** Commands that show what became of what is declared. */
export function defineObserve(program: Command): void {
  withClient(program.command('status [router]').description('what became of each helper'))
    .option('--watch', 'keep showing changes')
    .option('--agent', "ask this host's agent itself, without a server (with --url: another address than 127.0.0.1:9798)")
    .action(async (router, flags) => (await import('./status.ts')).status(router, flags));
  withClient(program.command('watch').description('show live expectations')).action(async (flags) =>
    (await import('./watch.ts')).watch(flags),
  );
  withClient(program.command('events').description('follow changes, status and drift'))
    .option('--after <number>', 'begin after this event (default: now)')
    .action(async (flags) => (await import('./events.ts')).events(flags));
  withClient(program.command('doctor [router]').description('what this kernel can do, and why a helper does not work here (as root)'))
    .option('--netns <name>', 'look at a network namespace without a server')
    .action(async (router, flags) => (await import('./doctor.ts')).doctor(router, flags));
}
