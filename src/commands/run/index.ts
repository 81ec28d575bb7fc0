import type { Command } from 'commander';
import { withData } from '../options.ts';

/** Commands that run until they are stopped: the processes of Pinhole. */
export function defineRun(program: Command): void {
  const define = (name: string, description: string) =>
    withData(program.command(name).description(description)).option('--listen <addr:port>', 'address of the API (default 127.0.0.1:9797)');
  const serving = (command: Command) => command.option('--insecure', "let 'identity.mode: none' listen on loopback");
  serving(define('up', 'run server, agent and kernel process on this host')).action(async (flags) => (await import('./up.ts')).up(flags));
  serving(define('server', 'run the server alone')).action(async (flags) => (await import('./server.ts')).server(flags));
  define('agent', 'run the agent of this host (as root: with its kernel process)')
    .option('--neutron', "serve the routers of OpenStack Neutron's L3 agent on this host, in place of its conntrack_helper extension")
    .option('--neutron-conf <file>', 'a neutron.conf that says how to reach RabbitMQ, and what this host is called')
    .action(async (flags) => (await import('./agent.ts')).agent(flags));
  program
    .command('kernel-process [options]', { hidden: true })
    .option('--config <file>')
    .option('--neutron')
    .action(async (options, flags) => (await import('./kernel-process.ts')).kernelProcess(options, flags));
}
