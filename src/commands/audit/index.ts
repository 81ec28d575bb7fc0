import type { Command } from 'commander';
import { withClient } from '../options.ts';

export function defineAudit(program: Command): void {
  const audit = program.command('audit').description('who did what');
  withClient(audit.command('list').description('newest first'))
    .option('--limit <count>', 'at most so many (default 50)')
    .option('--action <name>', 'like create_conntrack_helper')
    .option('--target <id>', 'of one router, helper or token')
    .option('--project <id>')
    .action(async (flags) => (await import('./list.ts')).list(flags));
  withClient(audit.command('heads').description('print the signed heads of the chains, to be kept elsewhere')).action(async (flags) =>
    (await import('./heads.ts')).heads(flags),
  );
  withClient(audit.command('verify').description('check that nothing of it was changed, removed or put in'))
    .option('--heads <file>', "heads that 'audit heads' printed before")
    .action(async (flags) => (await import('./verify.ts')).verify(flags));
}
