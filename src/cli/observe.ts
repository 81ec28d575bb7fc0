import type { Command } from 'commander';
import { withClient, withConfig } from './options.ts';

/** Commands that show what became of what is declared. */
export function defineObserve(program: Command): void {
  withClient(program.command('status [router]').description('what became of each helper'))
    .option('--watch', 'keep showing changes')
    .option('--agent', "ask this host's agent itself, without a server (with --url: another address than 127.0.0.1:9798)")
    .action(async (router, flags) => (await import('../commands/observe/status.ts')).status(router, flags));
  withClient(program.command('watch').description('show live expectations')).action(async (flags) =>
    (await import('../commands/observe/watch.ts')).watch(flags),
  );
  withClient(program.command('events').description('follow changes, status and drift'))
    .option('--after <number>', 'begin after this event (default: now)')
    .action(async (flags) => (await import('../commands/observe/events.ts')).events(flags));
  withClient(program.command('doctor [router]').description('what this kernel can do, and why a helper does not work here (as root)'))
    .option('--netns <name>', 'look at a network namespace without a server')
    .action(async (router, flags) => (await import('../commands/observe/doctor.ts')).doctor(router, flags));
}

export function defineReview(program: Command): void {
  const review = program
    .command('review')
    .description('security review of rulesets, configuration and agent source, with evidence')
    .argument('[paths...]', 'files and folders; - is standard input')
    .option('--netns <name>', 'the rules of a network namespace, live (as root, or in the group of the kernel process)')
    .option('--host-netns', "those of the host's own (likewise)")
    .option('--types <types>', 'defect types, like CWE-703,CWE-691 (default: the ten pillars of CWE-1000)')
    .option('--format <format>', 'by-type (default), list, json, sarif, markdown or html')
    .option('--json', 'like --format json')
    .option('--output <file>', 'write it there')
    .option('--fail-on <severity>', 'exit 1 where a finding is info, low, medium, high or critical, or worse than that')
    .option('--baseline <file>', 'findings that are known, each with its reason')
    .option('--write-baseline <file>', 'write what was found as a baseline; what --baseline knew keeps its reason')
    .option('--kind <kind>', 'what the files are, where their names and contents do not say')
    .option('--kernel <version>', 'kernel that the rulesets are for, like 6.1.82: for known advisories')
    .option('--prove', 'try findings of rulesets in throw-away namespaces (as root)')
    .option('--second-reader', "ask the model of 'review.llm' too, and keep what the code bears out");
  withConfig(review).action(async (paths, flags) => (await import('../commands/review/review.ts')).review(paths, flags));
}
