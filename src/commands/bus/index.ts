import type { Command } from 'commander';
import { withConfig } from '../options.ts';

export function defineBus(program: Command): void {
  const bus = program.command('bus').description('RabbitMQ, where a fleet has one');
  const grant = bus
    .command('grant [hosts...]')
    .description('print the commands that let hosts use the bus, each for itself')
    .option('--servers', "also those for the servers' users");
  withConfig(grant)
    .option('--json', 'print JSON')
    .action(async (hosts, flags) => (await import('./grant.ts')).grant(hosts, flags));
}
