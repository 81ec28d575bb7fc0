import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { NETNS_PATTERN } from '../contract/netns.ts';
import { HOST_NAME, PORT_OR_NONE } from '../contract/primitives.ts';
import { Reader } from '../contract/reader.ts';
import { read } from '../contract/shape.ts';
import { type AllowedHelpers, DEFAULT_ALLOWED, findHelper, type Protocol } from '../model/catalogue.ts';
import { InvalidInput, PinholeError } from '../model/errors.ts';
import { type BusConfig, type BusFlags, readBus } from './bus-config.ts';
import { chooseFolders, configFile, type FolderFlags, type Folders, readConfigFile } from './folders.ts';
import {
  keystoneBeside,
  QUOTA_FIELDS,
  type QuotaConfig,
  readQuotas,
  readServerConfig,
  SERVER_SECTIONS,
  type ServerConfig,
  section,
} from './server-config.ts';

/** The whole configuration, with all defaults filled in. */
export interface Config extends Folders {
  /** The address on which the API listens. */
  readonly listen: ApiListen;
  /** Where the server answers `/metrics` without a token; null: nowhere. */
  readonly metricsListen: Listen | null;
  /** This host's name on the bus and in routers. */
  readonly host: string;
  readonly logLevel: string;
  readonly api: {
    readonly allowedHelpers: AllowedHelpers;
    readonly quotas: QuotaConfig;
    /** Whether new routers are confined, unless their request says; null: as the database says. */
    readonly confineNewRouters: boolean | null;
  };
  readonly server: ServerConfig;
  /** Null for the socket of the server on this host. */
  readonly bus: BusConfig | null;
  readonly agent: {
    readonly listen: Listen;
    readonly resyncSeconds: number;
    /** Seconds in which each router is verified in the kernel at least once. After twice as many, its helpers are STALE. */
    readonly checkSeconds: number;
    readonly reportSeconds: number;
    readonly maxStateAgeSeconds: number;
    readonly firstPullSeconds: number;
    readonly holdRemovalsPercent: number;
    readonly keepLive: boolean;
    /** Whether all routers of a cloud are confined: with `--neutron` only. */
    readonly confine: boolean;
  };
  /** The namespaces that the kernel process may serve. It takes them from root-owned configuration only. */
  readonly kernel: {
    readonly namespaces: readonly string[];
    readonly hostNamespace: boolean;
    /** Seconds after which a kernel process that does not answer counts as dead. */
    readonly deadlineSeconds: number;
  };
  /** The users that processes run as: names or numbers. */
  readonly users: { readonly server: string; readonly agent: string; readonly kernel: string; readonly opener: string };
  readonly review: { readonly llm: SecondReaderConfig | null };
}

/** An OpenAI-compatible endpoint that `pinhole review --second-reader` asks. */
export interface SecondReaderConfig {
  /** URL without the final `/chat/completions`. */
  readonly url: string;
  readonly model: string;
  /** Path of the file with the API key; null if the endpoint needs none. */
  readonly keyFile: string | null;
  readonly timeoutSeconds: number;
}

/** An IP address or host name, and a TCP port; 0 for a free one. */
export interface Listen {
  readonly host: string;
  readonly port: number;
}

/** An address and port, or the path of a unix socket. */
export type ApiListen = Listen | { readonly path: string };

/** The users that the package makes. */
export const DEFAULT_USERS: Config['users'] = {
  server: 'pinhole-server',
  agent: 'pinhole-agent',
  kernel: 'pinhole-kernel',
  opener: 'pinhole-opener',
};

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
const MAX_FILE = 1024 * 1024;
/** Namespaces of Neutron's L3 agent. In a cloud, the kernel process serves no others by default. */
const NEUTRON_NAMESPACES = ['qrouter-*', 'snat-*'];

/** The flags of the command line that override the configuration. */
export interface ConfigFlags extends BusFlags, FolderFlags {
  readonly listen?: string | undefined;
  /** Allows `identity.mode: none` on a loopback address. */
  readonly insecure?: boolean | undefined;
}

/**
 * Reads the configuration. Flags win over `PINHOLE_*` variables, and these over the file. A missing default file counts as empty.
 * A path in the file is relative to the file's folder.
 * @throws InvalidInput that names the file and the field
 */
export function loadConfig(flags: ConfigFlags, env: NodeJS.ProcessEnv): Config {
  const file = configFile(flags, env);
  const text = readConfigFile(flags, env);
  if (text.length > MAX_FILE) throw new InvalidInput('config', `${file}: is larger than ${MAX_FILE} bytes.`);
  try {
    return withPathsBeside(dirname(file), readConfig(new Reader(parseYaml(text), file), flags, env));
  } catch (error) {
    if (error instanceof PinholeError) throw new InvalidInput(error.details.field ?? 'config', error.message);
    throw error;
  }
}

function parseYaml(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 0 }) ?? {};
  } catch (error) {
    throw new InvalidInput('config', `not YAML: ${(error as Error).message.split('\n')[0]}`);
  }
}

function readConfig(reader: Reader, flags: ConfigFlags, env: NodeJS.ProcessEnv): Config {
  const top = reader.object(
    'data_dir',
    'run_dir',
    'listen',
    'metrics_listen',
    'host',
    'log_level',
    'api',
    'agent',
    'bus',
    'kernel',
    'users',
    'review',
    ...SERVER_SECTIONS,
  );
  const api = section(top.api, 'allowed_helpers', 'confine_new_routers', ...QUOTA_FIELDS);
  const agent = section(
    top.agent,
    'listen',
    'resync_seconds',
    'check_seconds',
    'report_seconds',
    'max_state_age_seconds',
    'first_pull_seconds',
    'hold_removals_percent',
    'keep_live',
    'confine',
  );
  const kernel = section(top.kernel, 'namespaces', 'host_namespace', 'deadline_seconds');
  const { bus, host } = readBus(top.bus, flags, env);
  const users = section(top.users, 'server', 'agent', 'kernel', 'opener');
  const string = (field: Reader, fallback: string) => field.nullable((value) => value.string(4096)) ?? fallback;
  const number = (field: Reader, fallback: number, max: number) => field.nullable((value) => value.integer(1, max)) ?? fallback;
  const path = (field: Reader) => field.nullable((value) => value.string(4096));
  const listen = parseApiListen(flags.listen ?? env['PINHOLE_LISTEN'] ?? string(top.listen, '127.0.0.1:9797'), 'listen');
  const metricsListen = env['PINHOLE_METRICS_LISTEN'] ?? path(top.metrics_listen);
  const insecure = flags.insecure === true || env['PINHOLE_INSECURE'] === '1';
  return {
    ...chooseFolders({ dataDir: path(top.data_dir), runDir: path(top.run_dir) }, flags, env),
    listen,
    metricsListen: metricsListen === null ? null : parseListen(metricsListen, 'metrics_listen'),
    host: read(HOST_NAME, env['PINHOLE_HOST'] ?? string(top.host, host ?? hostname()), 'host', 'input'),
    logLevel: env['PINHOLE_LOG_LEVEL'] ?? top.log_level.nullable((value) => value.oneOf(...LEVELS)) ?? 'info',
    api: {
      allowedHelpers: api.allowed_helpers.nullable(readAllowed) ?? DEFAULT_ALLOWED,
      quotas: readQuotas(api),
      confineNewRouters: api.confine_new_routers.nullable((value) => value.boolean()),
    },
    bus,
    server: readServerConfig(top, env, { listen, insecure }),
    agent: {
      listen: parseListen(env['PINHOLE_AGENT_LISTEN'] ?? string(agent.listen, '127.0.0.1:9798'), 'agent.listen'),
      resyncSeconds: number(agent.resync_seconds, 300, 86_400),
      checkSeconds: number(agent.check_seconds, 30, 3_600),
      reportSeconds: number(agent.report_seconds, 10, 3_600),
      maxStateAgeSeconds: number(agent.max_state_age_seconds, 86_400, 31_536_000),
      firstPullSeconds: number(agent.first_pull_seconds, 10, 3_600),
      holdRemovalsPercent: agent.hold_removals_percent.nullable((value) => value.integer(0, 100)) ?? 25,
      keepLive: agent.keep_live.nullable((value) => value.boolean()) ?? false,
      confine: agent.confine.nullable((value) => value.boolean()) ?? false,
    },
    kernel: {
      namespaces:
        kernel.namespaces.nullable((list) =>
          list.array(256, (item) => item.use((name) => read(NETNS_PATTERN, name, item.path, 'input'))),
        ) ?? (flags.neutron ? NEUTRON_NAMESPACES : ['*']),
      hostNamespace: kernel.host_namespace.nullable((value) => value.boolean()) ?? !flags.neutron,
      deadlineSeconds: number(kernel.deadline_seconds, 10, 600),
    },
    users: {
      server: string(users.server, DEFAULT_USERS.server),
      agent: string(users.agent, DEFAULT_USERS.agent),
      kernel: string(users.kernel, DEFAULT_USERS.kernel),
      opener: string(users.opener, DEFAULT_USERS.opener),
    },
    review: { llm: section(top.review, 'llm').llm.nullable(readSecondReader) },
  };
}

/** Makes the paths of other files absolute: the processes that open them run in a folder of their own. */
function withPathsBeside(folder: string, config: Config): Config {
  const path = (name: string | null) => (name === null ? null : resolve(folder, name));
  const { bus, server, review } = config;
  const { tls, identity } = server;
  return {
    ...config,
    bus: bus?.tls ? { ...bus, tls: { ca: path(bus.tls.ca), cert: path(bus.tls.cert), key: path(bus.tls.key) } } : bus,
    server: {
      ...server,
      policyFile: path(server.policyFile),
      tls: tls && { ...tls, certificate: resolve(folder, tls.certificate), key: resolve(folder, tls.key), clientCa: path(tls.clientCa) },
      identity: identity.mode === 'keystone' ? { ...identity, keystone: keystoneBeside(folder, identity.keystone) } : identity,
    },
    review: { llm: review.llm && { ...review.llm, keyFile: path(review.llm.keyFile) } },
  };
}

function readSecondReader(reader: Reader): SecondReaderConfig {
  const fields = reader.object('url', 'model', 'key_file', 'timeout_seconds');
  return {
    url: fields.url.string(2048, /^https?:\/\/\S+$/),
    model: fields.model.string(200, /\S/),
    keyFile: fields.key_file.nullable((value) => value.string(4096)),
    timeoutSeconds: fields.timeout_seconds.nullable((value) => value.integer(1, 3600)) ?? 120,
  };
}

function readAllowed(reader: Reader): AllowedHelpers {
  const pairs = reader.array(64, (item) => {
    const [, name = '', protocols = ''] = /^([^:]+):(.+)$/.exec(item.string(128)) ?? [];
    if (!findHelper(name)) item.fail("a helper of the catalogue with its protocols, like 'ftp:tcp' or 'sip:udp,tcp'");
    return [name, protocols.split(',').map((protocol) => new Reader(protocol.trim(), item.path).oneOf('tcp', 'udp') as Protocol)] as const;
  });
  return Object.fromEntries(pairs);
}

/** Parses `ADDR:PORT` or `unix:/path`. @param field the field's name, for the message @throws InvalidInput */
export function parseApiListen(text: string, field: string): ApiListen {
  const [, path] = /^unix:(\/.{1,100})$/.exec(text) ?? [];
  return path ? { path } : parseListen(text, field);
}

/** Parses `ADDR:PORT`, with an IPv6 address in brackets. Port 0 stands for a free one. @throws InvalidInput */
export function parseListen(text: string, field: string): Listen {
  const [, bracketed, plain, portText] = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(portText);
  if (!host || !(port <= PORT_OR_NONE.max))
    throw new InvalidInput(field, `Invalid input for ${field}. It is ADDR:PORT, like 127.0.0.1:9797 or [::1]:9797.`);
  return { host, port };
}

/** Returns the path of every file and socket. Each is defined here only. */
export function paths(config: Pick<Config, 'dataDir' | 'runDir'>) {
  return {
    database: join(config.dataDir, 'server', 'pinhole.db'),
    serverDir: join(config.dataDir, 'server'),
    /** Name of this server's audit chain, and the key that signs its heads. Both belong to this host, whatever the database. */
    serverId: join(config.dataDir, 'server', 'server-id'),
    auditKey: join(config.dataDir, 'server', 'audit-key.pem'),
    agentDir: join(config.dataDir, 'agent'),
    agentState: join(config.dataDir, 'agent', 'desired.json'),
    /** Which cloud an agent of `--neutron` serves. */
    cloud: join(config.dataDir, 'agent', 'cloud.json'),
    adminToken: join(config.dataDir, 'admin-token'),
    /** The file in which clients on this host find the server's address. */
    endpoint: join(config.runDir, 'server', 'endpoint'),
    serverSocketDir: join(config.runDir, 'server'),
    busSocket: join(config.runDir, 'server', 'bus.sock'),
    kernelSocketDir: join(config.runDir, 'kernel'),
    kernelSocket: join(config.runDir, 'kernel', 'kernel.sock'),
    /** The host's own network namespace, for an opener that systemd starts in another one; missing elsewhere. */
    hostNetns: join(config.runDir, 'host-netns'),
    openerSocketDir: join(config.runDir, 'opener'),
    openerSocket: join(config.runDir, 'opener', 'opener.sock'),
  };
}
