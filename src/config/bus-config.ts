import { readFileSync } from 'node:fs';
import type { Reader } from '../contract/reader.ts';
import { InvalidInput } from '../model/errors.ts';
import { type NeutronConf, readNeutronConf } from './neutron-conf.ts';
import { section } from './server-config.ts';
import { type BrokerAddress, parseTransportUrl } from './transport-url.ts';

/** RabbitMQ: of a fleet, or of the cloud that an agent serves. */
export interface BusConfig extends Omit<BrokerAddress, 'isTls'> {
  /** Files of PEM; null: no TLS. */
  readonly tls: { readonly ca: string | null; readonly cert: string | null; readonly key: string | null } | null;
  readonly heartbeatSeconds: number;
  readonly exchange: string;
  /** User who speaks for a host, `{host}` in it standing for the host's name; null: anybody. */
  readonly agentUser: string | null;
  /** Users whom agents take requests and hints of; null: anybody. */
  readonly serverUsers: readonly string[] | null;
}

export interface BusFlags {
  readonly neutron?: boolean | undefined;
  readonly neutronConf?: string | undefined;
}

const FIELDS = ['url', 'ca_file', 'cert_file', 'key_file', 'heartbeat_seconds', 'exchange', 'agent_user', 'server_users'] as const;
/** What a supervisor that may read neutron.conf tells its agent, which may not. */
export const NEUTRON_VARIABLE = 'PINHOLE_NEUTRON_CONF';
/** What a neutron.conf says that says nothing. */
const NO_NEUTRON = readNeutronConf('', 'neutron.conf');

export interface BusSettings {
  /** null: the socket of the server on this host. */
  readonly bus: BusConfig | null;
  readonly host: string | null;
}

/** Own configuration comes before what neutron.conf says. @throws InvalidInput */
export function readBus(field: Reader, flags: BusFlags, env: NodeJS.ProcessEnv): BusSettings {
  const bus = section(field, ...FIELDS);
  const string = (reader: Reader) => reader.nullable((value) => value.string(4096));
  const conf = flags.neutron ? neutronConf(flags, env) : NO_NEUTRON;
  const url = env['PINHOLE_BUS_URL'] ?? string(bus.url) ?? conf.transportUrl;
  if (url === null) {
    if (!flags.neutron) return { bus: null, host: null };
    throw new InvalidInput(
      'bus.url',
      'Which RabbitMQ is the cloud’s? --neutron needs --neutron-conf FILE, or bus.url in the configuration.',
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
  const anybody = flags.neutron === true;
  return {
    bus: {
      ...address,
      tls: isTls || conf.ssl ? files : null,
      heartbeatSeconds: bus.heartbeat_seconds.nullable((value) => value.integer(0, 3_600)) ?? conf.heartbeatSeconds ?? (anybody ? 60 : 15),
      exchange: string(bus.exchange) ?? (anybody ? (conf.controlExchange ?? 'neutron') : 'pinhole'),
      agentUser: anybody || agentUser === 'any' ? null : agentUser,
      serverUsers: anybody || serverUsers.includes('any') ? null : serverUsers,
    },
    host: conf.host,
  };
}

function neutronConf({ neutronConf: file }: BusFlags, env: NodeJS.ProcessEnv): NeutronConf {
  const told = env[NEUTRON_VARIABLE];
  if (told !== undefined) return JSON.parse(told) as NeutronConf;
  return file === undefined ? NO_NEUTRON : loadNeutronConf(file);
}

/** @throws InvalidInput */
export function loadNeutronConf(file: string): NeutronConf {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new InvalidInput('neutron-conf', `${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
  return readNeutronConf(text, file);
}
