import { readFileSync } from 'node:fs';
import type { Reader } from '../contract/reader.ts';
import { InvalidInput } from '../model/errors.ts';
import { type NeutronConf, readNeutronConf } from './neutron-conf.ts';
import { section } from './server-config.ts';
import { type BrokerAddress, parseTransportUrl } from './transport-url.ts';

/** How to reach RabbitMQ: the one of a Pinhole fleet, or the one of the cloud that an agent serves. */
export interface BusConfig extends Omit<BrokerAddress, 'isTls'> {
  /** Paths of PEM files; null for no TLS. */
  readonly tls: { readonly ca: string | null; readonly cert: string | null; readonly key: string | null } | null;

  /** AMQP heartbeat in seconds; 0 for none. */
  readonly heartbeatSeconds: number;
  readonly exchange: string;
  /** The bus user who speaks for a host, with `{host}` for the host's name; null if any user may. */
  readonly agentUser: string | null;
  /** The users whose requests and hints an agent accepts; null for any user. */
  readonly serverUsers: readonly string[] | null;
}

/** The flags that concern the bus. */
export interface BusFlags {
  readonly neutron?: boolean | undefined;
  readonly neutronConf?: string | undefined;
}

const FIELDS = ['url', 'ca_file', 'cert_file', 'key_file', 'heartbeat_seconds', 'exchange', 'agent_user', 'server_users'] as const;
/** The variable in which a supervisor passes the content of neutron.conf, as JSON, to its agent, which may not read the file. */
export const NEUTRON_VARIABLE = 'PINHOLE_NEUTRON_CONF';
/** The result of an empty neutron.conf. */
const NO_NEUTRON = readNeutronConf('', 'neutron.conf');

/** What the configuration and neutron.conf say about the bus. */
export interface BusSettings {
  /** Null for the socket of the server on this host. */
  readonly bus: BusConfig | null;
  /** The host's name in neutron.conf; null if there is none. */
  readonly host: string | null;
}

/** Reads the section `bus`. Pinhole's own configuration wins over neutron.conf. @throws InvalidInput */
export function readBus(field: Reader, flags: BusFlags, env: NodeJS.ProcessEnv): BusSettings {
  const bus = section(field, ...FIELDS);
  const string = (reader: Reader) => reader.nullable((value) => value.string(4096));
  const conf = flags.neutron ? neutronConf(flags, env) : NO_NEUTRON;
  const url = env['PINHOLE_BUS_URL'] ?? string(bus.url) ?? conf.transportUrl;
  if (url === null) {
    if (!flags.neutron) return { bus: null, host: null };
    throw new InvalidInput(
      'bus.url',
      'bus.url is not set. --neutron needs the address of the cloud’s RabbitMQ: --neutron-conf FILE, or bus.url in the configuration.',
    );
  }
  const { isTls, ...address } = parseTransportUrl(url, 'bus.url');
  const files = {
    ca: string(bus.ca_file) ?? conf.sslCaFile,
    cert: string(bus.cert_file) ?? conf.sslCertFile,
    key: string(bus.key_file) ?? conf.sslKeyFile,
  };
  const agentUser = string(bus.agent_user) ?? 'pinhole-agent-{host}';
  const serverUsers = bus.server_users.nullable((list) => list.array(64, (item) => item.string(255))) ?? ['pinhole-server'];
  const inCloud = flags.neutron === true;
  return {
    bus: {
      ...address,
      tls: isTls || conf.ssl ? files : null,
      heartbeatSeconds: bus.heartbeat_seconds.nullable((value) => value.integer(0, 3_600)) ?? conf.heartbeatSeconds ?? (inCloud ? 60 : 15),
      exchange: string(bus.exchange) ?? (inCloud ? (conf.controlExchange ?? 'neutron') : 'pinhole'),
      agentUser: inCloud || agentUser === 'any' ? null : agentUser,
      serverUsers: inCloud || serverUsers.includes('any') ? null : serverUsers,
    },
    host: conf.host,
  };
}

function neutronConf({ neutronConf: file }: BusFlags, env: NodeJS.ProcessEnv): NeutronConf {
  const told = env[NEUTRON_VARIABLE];
  if (told !== undefined) return JSON.parse(told) as NeutronConf;
  return file === undefined ? NO_NEUTRON : loadNeutronConf(file);
}

/** Reads a neutron.conf. @throws InvalidInput if the file cannot be read or parsed */
export function loadNeutronConf(file: string): NeutronConf {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new InvalidInput('neutron-conf', `${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
  return readNeutronConf(text, file);
}
