import type { Command } from 'commander';
import { withData } from './options.ts';

/** Adds the commands that are Pinhole's processes: they run until they are stopped. */
export function defineRun(program: Command): void {
  const define = (name: string, description: string) =>
    withData(program.command(name).description(description)).option('--listen <addr:port>', 'address of the API (default 127.0.0.1:9797)');
  const serving = (command: Command) => command.option('--insecure', "allow 'identity.mode: none' on a loopback address");
  serving(define('up', 'run server, agent and kernel process on this host')).action(async (flags) =>
    (await import('../commands/run/up.ts')).up(flags),
  );
  serving(define('server', 'run the server alone')).action(async (flags) => (await import('../commands/run/server.ts')).server(flags));
  const agent = define('agent', 'run the agent of this host (as root: with its kernel process)');
  agent
    .option('--neutron', "serve the routers of OpenStack Neutron's L3 agent on this host, instead of its conntrack_helper extension")
    .option('--neutron-conf <file>', "neutron.conf with the address of RabbitMQ and this host's name")
    .action(async (flags) => (await import('../commands/run/agent.ts')).agent(flags));
  agent
    .command('confirm')
    .description('let the agent of this host remove what it holds (as root)')
    .action(async (_flags, command: Command) => (await import('../commands/run/confirm.ts')).confirm(command.optsWithGlobals()));
  program
    .command('opener [options]', { hidden: true })
    .option('--config <file>')
    .option('--neutron')
    .action(async (options, flags) => (await import('../commands/run/opener.ts')).opener(options, flags));
  program
    .command('kernel-process [options]', { hidden: true })
    .option('--config <file>')
    .option('--neutron')
    .action(async (options, flags) => (await import('../commands/run/kernel-process.ts')).kernelProcess(options, flags));
}

/** Adds the commands that work on this machine without a server. */
export function defineLocal(program: Command): void {
  withData(program.command('purge').description("remove Pinhole's tables from this host's kernel (as root)"))
    .option('--installation <ids...>', "only those of these installations, or 'none' (default: of the one that this host's agent serves)")
    .option('--netns <pattern>', "only in network namespaces with such a name, like 'qrouter-*' (default: all, with the host's own)")
    .option('--keep-live', 'leave helpers assigned to live connections')
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('../commands/local/purge.ts')).purge(flags));
  withData(program.command('adopt <installation>').description("take over another installation's tables on this host (as root)"))
    .option('--netns <pattern>', "only in network namespaces with such a name, like 'qrouter-*' (default: all, with the host's own)")
    .option('--json', 'print JSON')
    .action(async (installation, flags) => (await import('../commands/local/adopt.ts')).adopt(installation, flags));
  program
    .command('demo')
    .description('show how a helper works, in temporary network namespaces (as root)')
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('../commands/local/demo.ts')).demo(flags));
  program
    .command('bench')
    .description('run the benchmarks (as root; from a checkout)')
    .option('--only <names>', 'only these parts, separated by commas')
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('../commands/local/bench.ts')).bench(flags));
  program
    .command('completion')
    .description('print a completion script for bash')
    .action(async () => (await import('../commands/local/completion.ts')).completion(program));
}
