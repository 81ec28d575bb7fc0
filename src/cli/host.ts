import type { Command } from 'commander';
import { withData } from './options.ts';

/** Commands that run until they are stopped: the processes of Pinhole. */
export function defineRun(program: Command): void {
  const define = (name: string, description: string) =>
    withData(program.command(name).description(description)).option('--listen <addr:port>', 'address of the API (default 127.0.0.1:9797)');
  const serving = (command: Command) => command.option('--insecure', "let 'identity.mode: none' listen on loopback");
  serving(define('up', 'run server, agent and kernel process on this host')).action(async (flags) =>
    (await import('../commands/run/up.ts')).up(flags),
  );
  serving(define('server', 'run the server alone')).action(async (flags) => (await import('../commands/run/server.ts')).server(flags));
  define('agent', 'run the agent of this host (as root: with its kernel process)')
    .option('--neutron', "serve the routers of OpenStack Neutron's L3 agent on this host, in place of its conntrack_helper extension")
    .option('--neutron-conf <file>', 'a neutron.conf that says how to reach RabbitMQ, and what this host is called')
    .action(async (flags) => (await import('../commands/run/agent.ts')).agent(flags));
  program
    .command('kernel-process [options]', { hidden: true })
    .option('--config <file>')
    .option('--neutron')
    .action(async (options, flags) => (await import('../commands/run/kernel-process.ts')).kernelProcess(options, flags));
}

/** Commands of this machine that need no server. */
export function defineLocal(program: Command): void {
  program
    .command('purge')
    .description("remove everything of Pinhole's from this host's kernel (as root)")
    .option('--netns <pattern>', "only in network namespaces like 'qrouter-*' (default: all, and the host's own)")
    .option('--keep-live', 'leave helpers on live connections')
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('../commands/local/purge.ts')).purge(flags));
  program
    .command('demo')
    .description('show the main job on throw-away namespaces (as root)')
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('../commands/local/demo.ts')).demo(flags));
  program
    .command('bench')
    .description('measure this machine (as root; from a checkout)')
    .option('--only <names>', 'comma-separated parts')
    .option('--json', 'print JSON')
    .action(async (flags) => (await import('../commands/local/bench.ts')).bench(flags));
  program
    .command('completion')
    .description('print completion for bash')
    .action(async () => (await import('../commands/local/completion.ts')).completion(program));
}
