import { randomBytes } from 'node:crypto';
import { agentPermissions, type Permissions, SERVER_PERMISSIONS } from '../../bus/permissions.ts';
import type { BusConfig } from '../../config/bus-config.ts';
import { type ConfigFlags, loadConfig } from '../../config/config.ts';
import { HOST_NAME } from '../../contract/primitives.ts';
import { read } from '../../contract/shape.ts';
import { InvalidInput } from '../../model/errors.ts';
import { userOfHost } from '../../processes/bus-parts.ts';
import { print, printJson } from '../../terminal/table.ts';

/**
 * Prints the rabbitmqctl commands that give hosts, or the servers, access to the bus and to no other part of RabbitMQ. Each user
 * gets a new random password; the output is the only place where it is shown.
 * @throws InvalidInput for a host's name that is wrong, or configuration without a bus
 */
export async function grant(hosts: readonly string[], flags: ConfigFlags & { servers?: boolean; json?: boolean }): Promise<void> {
  const { bus } = loadConfig(flags, process.env);
  if (bus === null) throw new InvalidInput('bus.url', 'bus.url is not configured, so there is no bus to grant access to.');
  if (hosts.length === 0 && !flags.servers) throw new InvalidInput('host', 'Name at least one host, or use --servers.');
  const grants = [...(flags.servers ? serverGrants(bus) : []), ...hosts.map((host) => hostGrant(bus, host))];
  if (flags.json) printJson(grants);
  else for (const { commands } of grants) print(`${commands.map(shell).join('\n')}\n`);
}

interface Grant {
  readonly user: string;
  readonly password: string;
  readonly commands: readonly (readonly string[])[];
}

function serverGrants(bus: BusConfig): Grant[] {
  return (bus.serverUsers ?? []).map((user) => grantOf(bus, user, SERVER_PERMISSIONS));
}

function hostGrant(bus: BusConfig, host: string): Grant {
  const user = userOfHost(bus)(read(HOST_NAME, host, 'host', 'input'));
  if (user === null)
    throw new InvalidInput('bus.agent_user', 'With bus.agent_user: any, hosts have no users of their own to grant access to.');
  return grantOf(bus, user, agentPermissions(host, bus.exchange));
}

function grantOf({ vhost, exchange }: BusConfig, user: string, permissions: Permissions): Grant {
  // Hexadecimal digits: rabbitmqctl would read a password that begins with a dash as an option.
  const password = randomBytes(24).toString('hex');
  const { configure, write, read, topicWrite, topicRead } = permissions;
  const commands = [
    ['rabbitmqctl', 'add_user', user, password],
    ['rabbitmqctl', 'set_permissions', '-p', vhost, user, configure, write, read],
    ['rabbitmqctl', 'set_topic_permissions', '-p', vhost, user, exchange, topicWrite, topicRead],
  ];
  return { user, password, commands };
}

function shell(argv: readonly string[]): string {
  return argv.map((word) => (/^[A-Za-z0-9_./@:-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}
