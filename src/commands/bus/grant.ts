import { agentPermissions, type Permissions, SERVER_PERMISSIONS } from '../../bus/permissions.ts';
import type { BusConfig } from '../../config/bus-config.ts';
import { type ConfigFlags, loadConfig } from '../../config/config.ts';
import { HOST_NAME } from '../../contract/primitives.ts';
import { read } from '../../contract/shape.ts';
import { type BrokerUser, definitions, newSecret, type Secret } from '../../fleet/broker-users.ts';
import { InvalidInput } from '../../model/errors.ts';
import { userOfHost } from '../../processes/bus-parts.ts';
import { print, printJson } from '../../terminal/table.ts';

type Grant = BrokerUser & Secret;

/**
 * Prints one rabbitmqctl command that gives hosts, or the servers, access to the bus and to no other part of RabbitMQ. It makes the
 * virtual host, the users and their permissions together, so it leaves no user without permissions. Each user gets a new random
 * password; the output is the only place where it is shown.
 * @throws InvalidInput for a host's name that is wrong, or configuration without a bus
 */
export async function grant(hosts: readonly string[], flags: ConfigFlags & { servers?: boolean; json?: boolean }): Promise<void> {
  const { bus } = loadConfig(flags, process.env);
  if (bus === null) throw new InvalidInput('bus.url', 'bus.url is not configured, so there is no bus to grant access to.');
  if (hosts.length === 0 && !flags.servers) throw new InvalidInput('host', 'Name at least one host, or use --servers.');
  const grants = [...(flags.servers ? serverGrants(bus) : []), ...hosts.map((host) => hostGrant(bus, host))];
  const made = definitions(bus, grants);
  if (flags.json) return printJson({ users: grants.map(({ name, password }) => ({ name, password })), definitions: made });
  for (const { name, password } of grants) print(`# ${name}: ${password}\n`);
  print(`rabbitmqctl import_definitions <<'END'\n${JSON.stringify(made, null, 2)}\nEND\n`);
}

function serverGrants(bus: BusConfig): Grant[] {
  return (bus.serverUsers ?? []).map((user) => grantOf(user, SERVER_PERMISSIONS));
}

function hostGrant(bus: BusConfig, host: string): Grant {
  const user = userOfHost(bus)(read(HOST_NAME, host, 'host', 'input'));
  if (user === null)
    throw new InvalidInput('bus.agent_user', 'With bus.agent_user: any, hosts have no users of their own to grant access to.');
  return grantOf(user, agentPermissions(host, bus.exchange));
}

function grantOf(name: string, permissions: Permissions): Grant {
  return { name, ...newSecret(), ...permissions };
}
