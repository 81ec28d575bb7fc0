import type { Command } from 'commander';
import { withData } from './options.ts';

/** Adds `fleet` and its subcommands. */
export function defineFleet(program: Command): void {
  const fleet = program.command('fleet').description('set up a fleet: servers and agents on PostgreSQL and RabbitMQ');
  fleet
    .command('init <folder>')
    .description('make virtual host, users, certificates, token and configuration (on a machine of RabbitMQ, as root)')
    .option('--brokers <names>', 'machines of RabbitMQ, separated by commas')
    .option('--servers <names>', 'machines with a server')
    .option('--agents <names>', 'machines with an agent, by the names that routers refer to')
    .option('--database <url>', "the servers' PostgreSQL (default: $PINHOLE_DATABASE_URL)")
    .option('--vhost <name>', 'virtual host of RabbitMQ (default: pinhole)')
    .option('--no-import', 'leave RabbitMQ alone; rabbitmq.json has what it needs')
    .option('--json', 'print JSON')
    .action(async (folder, flags) => (await import('../commands/fleet/init.ts')).init(folder, flags));
  withData(
    fleet.command('join [file]').description("put what 'fleet init' made for this machine in place (as root; default: standard input)"),
  )
    .option('--json', 'print JSON')
    .action(async (file, flags) => (await import('../commands/fleet/join.ts')).join(file, flags));
}
