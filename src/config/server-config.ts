import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { Reader } from '../contract/reader.ts';
import { InvalidInput } from '../model/errors.ts';
import type { ApiListen } from './config.ts';

/** Configuration of the server alone. Secrets are given as files, which the server reads when it starts. */
export interface ServerConfig {
  readonly database: {
    /** Null for the embedded SQLite. */
    readonly url: string | null;
    readonly connections: number;
  };
  readonly identity:
    | { readonly mode: 'token' }
    | { readonly mode: 'none' }
    | { readonly mode: 'keystone'; readonly keystone: KeystoneConfig };
  /** Path of a policy file in oslo.policy's YAML; null for the default rules. */
  readonly policyFile: string | null;
  readonly tls: TlsConfig | null;
  readonly limits: {
    readonly requestsPerSecond: number;
    readonly failuresPerSecond: number;
    readonly concurrency: number;
    readonly connections: number;
    readonly connectionsPerAddress: number;
    readonly requestSeconds: number;
    readonly paginationMaxLimit: number;
  };
  readonly retention: { readonly auditDays: number; readonly eventDays: number };
}

/** The section `identity.keystone`. */
export interface KeystoneConfig {
  readonly authUrl: string;
  readonly username: string;
  /** Path of a file with the password, or the password itself, from `PINHOLE_KEYSTONE_PASSWORD`. */
  readonly password: { readonly file: string } | { readonly text: string };
  readonly userDomain: string;
  readonly project: string;
  readonly projectDomain: string;
  readonly cacheSeconds: number;
  readonly timeoutSeconds: number;
  readonly caFile: string | null;
}

/** Paths of PEM files for the API's listener. */
export interface TlsConfig {
  readonly certificate: string;
  readonly key: string;
  readonly clientCa: string | null;
  readonly requireClientCertificate: boolean;
}

/** Default quotas; -1 for no limit. */
export interface QuotaConfig {
  readonly helpersPerRouter: number;
  readonly helpersPerProject: number;
  readonly routersPerProject: number;
}

/** Top-level fields that {@link readServerConfig} reads. */
export const SERVER_SECTIONS = ['database', 'identity', 'policy_file', 'tls', 'limits', 'retention'] as const;
/** Fields of the section `api` that {@link readQuotas} reads. */
export const QUOTA_FIELDS = ['quota_per_router', 'quota_helpers_per_project', 'quota_routers_per_project'] as const;

type Fields<K extends string> = Record<K, Reader>;

/** Returns readers of a section's fields. A missing section has only missing fields. @throws PinholeError for an unknown field */
export function section<K extends string>(field: Reader, ...keys: K[]): Fields<K> {
  return (field.isNull ? new Reader({}, field.path) : field).object(...keys);
}

/** Reads the default quotas: -1 (no limit) or a positive number. @throws PinholeError that names the field */
export function readQuotas(api: Fields<(typeof QUOTA_FIELDS)[number]>): QuotaConfig {
  const limit = (field: Reader, max: number) => field.nullable((value) => value.integer(-1, max));
  return {
    helpersPerRouter: limit(api.quota_per_router, 1000) ?? 100,
    helpersPerProject: limit(api.quota_helpers_per_project, 1_000_000_000) ?? -1,
    routersPerProject: limit(api.quota_routers_per_project, 1_000_000_000) ?? -1,
  };
}

/**
 * Reads the server's sections.
 * @param top readers of the top-level fields
 * @throws InvalidInput, PinholeError that names the field
 */
export function readServerConfig(
  top: Fields<(typeof SERVER_SECTIONS)[number]>,
  env: NodeJS.ProcessEnv,
  { listen, insecure }: { listen: ApiListen; insecure: boolean },
): ServerConfig {
  const database = section(top.database, 'url', 'connections');
  const limits = section(
    top.limits,
    'requests_per_second',
    'failures_per_second',
    'concurrency',
    'connections',
    'connections_per_address',
    'request_seconds',
    'pagination_max_limit',
  );
  const retention = section(top.retention, 'audit_days', 'event_days');
  const number = (field: Reader, fallback: number, [min, max]: readonly [number, number]) =>
    field.nullable((value) => value.integer(min, max)) ?? fallback;
  return {
    database: {
      url: env['PINHOLE_DATABASE_URL'] ?? database.url.nullable((value) => value.string(4096)),
      connections: number(database.connections, 8, [1, 100]),
    },
    identity: readIdentity(top.identity, env, { listen, insecure }),
    policyFile: top.policy_file.nullable((value) => value.string(4096)),
    tls: top.tls.nullable(readTls),
    limits: {
      requestsPerSecond: number(limits.requests_per_second, 1_000, [0, 1_000_000]),
      failuresPerSecond: number(limits.failures_per_second, 10, [0, 1_000_000]),
      concurrency: number(limits.concurrency, 512, [1, 100_000]),
      connections: number(limits.connections, 4_096, [1, 1_000_000]),
      connectionsPerAddress: number(limits.connections_per_address, 1_024, [1, 1_000_000]),
      requestSeconds: number(limits.request_seconds, 20, [1, 3_600]),
      paginationMaxLimit: number(limits.pagination_max_limit, -1, [-1, 1_000_000]),
    },
    retention: {
      auditDays: number(retention.audit_days, 365, [1, 36_500]),
      eventDays: number(retention.event_days, 7, [1, 36_500]),
    },
  };
}

function readTls(reader: Reader): TlsConfig {
  const { certificate, key, client_ca, require_client_certificate } = reader.object(
    'certificate',
    'key',
    'client_ca',
    'require_client_certificate',
  );
  const clientCa = client_ca.nullable((value) => value.string(4096));
  const required = require_client_certificate.nullable((value) => value.boolean()) ?? clientCa !== null;
  if (required && clientCa === null) client_ca.fail('the file of the authority that issues client certificates');
  return { certificate: certificate.string(4096), key: key.string(4096), clientCa, requireClientCertificate: required };
}

function readIdentity(
  field: Reader,
  env: NodeJS.ProcessEnv,
  { listen, insecure }: { listen: ApiListen; insecure: boolean },
): ServerConfig['identity'] {
  const identity = section(field, 'mode', 'keystone');
  const mode = identity.mode.nullable((value) => value.oneOf('token', 'keystone', 'none')) ?? 'token';
  if (mode === 'keystone') return { mode, keystone: readKeystone(identity.keystone, env) };
  if (mode === 'none' && !('path' in listen) && !(insecure && isLoopback(listen.host))) {
    throw new InvalidInput(
      'identity.mode',
      "identity.mode: 'none' makes every client of the API an admin. It needs 'listen: unix:/path', a socket that only its owner can open, or a loopback address and --insecure.",
    );
  }
  return { mode };
}

function readKeystone(field: Reader, env: NodeJS.ProcessEnv): KeystoneConfig {
  const keystone = field.object(
    'auth_url',
    'username',
    'password_file',
    'user_domain',
    'project',
    'project_domain',
    'cache_seconds',
    'timeout_seconds',
    'ca_file',
  );
  const text = env['PINHOLE_KEYSTONE_PASSWORD'];
  const authUrl = keystone.auth_url.string(4096);
  if (!/^https?:\/\/[^\s]+$/.test(authUrl) || !URL.canParse(authUrl)) keystone.auth_url.fail('a URL like https://keystone.example:5000/v3');
  return {
    authUrl,
    username: keystone.username.string(255),
    password: text === undefined ? { file: keystone.password_file.string(4096) } : { text },
    userDomain: keystone.user_domain.nullable((value) => value.string(255)) ?? 'Default',
    project: keystone.project.nullable((value) => value.string(255)) ?? 'service',
    projectDomain: keystone.project_domain.nullable((value) => value.string(255)) ?? 'Default',
    cacheSeconds: keystone.cache_seconds.nullable((value) => value.integer(0, 3_600)) ?? 60,
    timeoutSeconds: keystone.timeout_seconds.nullable((value) => value.integer(1, 60)) ?? 5,
    caFile: keystone.ca_file.nullable((value) => value.string(4096)),
  };
}

/** Makes the paths of the section `identity.keystone` absolute. */
export function keystoneBeside(folder: string, config: KeystoneConfig): KeystoneConfig {
  const { password, caFile } = config;
  return {
    ...config,
    password: 'file' in password ? { file: resolve(folder, password.file) } : password,
    caFile: caFile === null ? null : resolve(folder, caFile),
  };
}

/** Whether only programs on this host can reach the address or name. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}
