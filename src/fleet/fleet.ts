import { agentPermissions, type Permissions, SERVER_PERMISSIONS } from '../bus/permissions.ts';
import type { Fleet } from '../contract/fleet.ts';
import { newTokenText } from '../contract/token.ts';
import { InvalidInput } from '../model/errors.ts';
import { type BrokerUser, definitions, newSecret, type Secret } from './broker-users.ts';

/** The exchange and the users that configuration has by default. */
const EXCHANGE = 'pinhole';
const SERVER_USER = 'pinhole-server';
const DEFAULT_VHOST = 'pinhole';

/** What a call of `fleet init` asks for. */
export interface Wishes {
  readonly brokers: readonly string[];
  readonly servers: readonly string[];
  readonly agents: readonly string[];
  readonly vhost: string | null;
  readonly databaseUrl: string | null;
}

/**
 * Adds what is wished to a fleet, and makes up what is missing. What is there stays, so that a repetition changes nothing.
 * @param known the fleet so far; null for none
 * @throws InvalidInput for a machine in two roles, and a fleet that lacks something
 */
export function extended(known: Fleet | null, wishes: Wishes): Fleet {
  const union = (before: readonly string[], more: readonly string[]) => [...new Set([...before, ...more])];
  const vhost = wishes.vhost ?? known?.vhost ?? DEFAULT_VHOST;
  if (known && vhost !== known.vhost)
    throw new InvalidInput('vhost', `The fleet has the virtual host ${known.vhost}. It cannot be changed.`);
  const servers = union(known?.servers ?? [], wishes.servers);
  const agents = union(known?.agents ?? [], wishes.agents);
  const brokers = union(known?.brokers ?? [], wishes.brokers);
  const databaseUrl = wishes.databaseUrl ?? known?.databaseUrl ?? null;
  const [both] = agents.filter((name) => servers.includes(name));
  if (both !== undefined)
    throw new InvalidInput('agents', `${both} is a server already. Each machine of a fleet is a server or has an agent.`);
  requireSome({ brokers, servers });
  if (databaseUrl === null)
    throw new InvalidInput('database', 'Name the PostgreSQL database of the servers: --database, or PINHOLE_DATABASE_URL.');
  const users = [SERVER_USER, ...agents.map(agentUser)];
  return {
    vhost,
    brokers,
    servers,
    agents,
    databaseUrl,
    adminToken: known?.adminToken ?? newTokenText(),
    users: users.map((name) => known?.users.find((user) => user.name === name) ?? { name, ...newSecret() }),
  };
}

function requireSome(named: Readonly<Record<'brokers' | 'servers', readonly string[]>>): void {
  for (const [role, names] of Object.entries(named))
    if (names.length === 0) throw new InvalidInput(role, `Name at least one machine with --${role}.`);
}

/** The user of RabbitMQ for a machine. */
export function userOf(fleet: Fleet, machine: string): { name: string; password: string } {
  const name = fleet.servers.includes(machine) ? SERVER_USER : agentUser(machine);
  return { name, password: secretOf(fleet, name).password };
}

/** The virtual host, the users and their permissions, for `rabbitmqctl import_definitions`. It contains no password. */
export function brokerDefinitions(fleet: Fleet) {
  const user = (name: string, permissions: Permissions): BrokerUser => ({
    name,
    passwordHash: secretOf(fleet, name).passwordHash,
    ...permissions,
  });
  return definitions({ vhost: fleet.vhost, exchange: EXCHANGE }, [
    user(SERVER_USER, SERVER_PERMISSIONS),
    ...fleet.agents.map((host) => user(agentUser(host), agentPermissions(host, EXCHANGE))),
  ]);
}

function secretOf({ users }: Fleet, user: string): Secret {
  return users.find(({ name }) => name === user) as Secret;
}

function agentUser(host: string): string {
  return `pinhole-agent-${host}`;
}
