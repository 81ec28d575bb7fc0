import type { Command } from 'commander';
import { withClient, withConfig, withSelector } from './options.ts';

/** Adds the commands that show what became of the declared state. */
export function defineObserve(program: Command): void {
  withSelector(withClient(program.command('status [router]').description('show the status of each helper, problems first')))
    .option('--problems', 'show only what is not ACTIVE')
    .option('--host <host>', 'show only routers of this host')
    .option('--helper <name>', 'show only helpers of this name')
    .option('--check', 'exit with 1 if a helper is not ACTIVE, a host is silent, or its kernel process does not answer')
    .option('--watch', 'print again after each change')
    .option('--agent', "ask this host's agent instead of a server (at 127.0.0.1:9798, or at --url)")
    .action(async (router, flags) => (await import('../commands/observe/status.ts')).status(router, flags));
  withClient(program.command('watch').description('follow expectations as they come and go')).action(async (flags) =>
    (await import('../commands/observe/watch.ts')).watch(flags),
  );
  withClient(program.command('events').description('follow changes, status and drift'))
    .option('--after <number>', 'start after the event with this number (default: now)')
    .action(async (flags) => (await import('../commands/observe/events.ts')).events(flags));
  withClient(program.command('doctor [router]').description('check what this kernel can do, and why a helper does not work (as root)'))
    .option('--netns <name>', 'check this network namespace, without a server')
    .option('--from <address>', 'follow the connections of this client (default: one of each network)')
    .option('--to <address>', 'follow connections to this server (likewise)')
    .option('--try', 'try each helper with packets, in a temporary copy of the router')
    .option('--inside <interface>', 'interface that clients of the copy are behind (default: as the rules name it)')
    .option('--outside <interface>', "interface that servers of the copy are behind (default: the default route's)")
    .option('--client <netns>', 'try the router itself instead: from this network namespace')
    .option('--server <netns>', 'to this one')
    .option('--target <addresses>', "ask these addresses, with commas between them, instead of the server's own")
    .action(async (router, flags) => (await import('../commands/observe/doctor.ts')).doctor(router, flags));
}

/** Adds `review`. */
export function defineReview(program: Command): void {
  const review = program
    .command('review')
    .description('security review of rulesets, configuration and agent source, with evidence')
    .argument('[paths...]', 'files and folders; - is standard input')
    .option('--netns <name>', "review the live rules of a network namespace (as root, or as a member of the kernel process's group)")
    .option('--host-netns', "review the live rules of the host's own namespace (likewise)")
    .option('--types <types>', 'defect types, like CWE-703,CWE-691 (default: the ten pillars of CWE-1000)')
    .option('--format <format>', 'by-type (default), list, json, sarif, markdown or html')
    .option('--json', 'the same as --format json')
    .option('--output <file>', 'write the report to a file')
    .option('--fail-on <severity>', 'exit with 1 if a finding is this severe or worse: info, low, medium, high or critical')
    .option('--baseline <file>', 'file of known findings, each with its reason')
    .option('--write-baseline <file>', 'write all findings as a baseline; findings of --baseline keep their reasons')
    .option('--kind <kind>', 'kind of the files, if it does not follow from their names and contents')
    .option('--kernel <version>', 'kernel that the rulesets are for, like 6.1.82; it selects known advisories')
    .option('--prove', 'try findings of rulesets with packets in temporary network namespaces (as root)')
    .option('--second-reader', "also ask the model of 'review.llm', and keep the claims that the code confirms");
  withConfig(review).action(async (paths, flags) => (await import('../commands/review/review.ts')).review(paths, flags));
}
