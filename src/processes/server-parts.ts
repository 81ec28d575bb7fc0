import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { TlsOptions } from '../api/app.ts';
import type { Config } from '../config/config.ts';
import { paths } from '../config/config.ts';
import { readPolicyFile } from '../config/policy-file.ts';
import type { KeystoneConfig, TlsConfig } from '../config/server-config.ts';
import { newAuditKey } from '../control/audit.ts';
import type { Identity } from '../control/identity/interface.ts';
import { KeystoneIdentity } from '../control/identity/keystone.ts';
import { keystoneHttp } from '../control/identity/keystone-http.ts';
import { noIdentity } from '../control/identity/none.ts';
import { Policy } from '../control/policy/policy.ts';
import type { Tokens } from '../control/tokens.ts';
import { InvalidInput } from '../model/errors.ts';
import type { Logger } from '../ports/logger.ts';
import type { Ports } from '../ports/ports.ts';
import type { Store } from '../store/interface.ts';

/** The parts of a server that configuration chooses, and the files that a server keeps beside the database. */

/**
 * Opens the configured database, SQLite or PostgreSQL, and migrates it to this version. At the first start, it makes the file with
 * the server's id, which names the server's audit chain.
 * @throws PinholeError `store-unavailable`
 */
export async function openStore(config: Config, ports: Ports): Promise<Store> {
  const { url, connections } = config.server.database;
  const files = paths(config);
  const chain = ownText(files.serverId, () => randomUUID(), 0o644);
  if (url === null) return (await import('../store/sqlite/store.ts')).openSqlite(files.database, { chain, ...ports });
  return (await import('../store/postgres/store.ts')).openPostgres({ url, connections, chain, ...ports });
}

/** The key that signs the audit chain: Ed25519, PKCS#8 in PEM. Made at the first start; only the server's user may read it. */
export function auditKey(config: Config): string {
  return ownText(paths(config).auditKey, newAuditKey, 0o600);
}

/** Reads the policy file, or takes the defaults if there is none. Logs rules that Pinhole never asks for. @throws InvalidInput */
export function loadPolicy(config: Config, logger: Logger): Policy {
  const { policyFile } = config.server;
  const policy = new Policy(policyFile === null ? {} : readPolicyFile(policyFile));
  if (policy.unused.length > 0)
    logger.warn({ rules: policy.unused.slice(0, 100) }, 'the policy file has rules that Pinhole does not ask for');
  return policy;
}

/** The configured way to authenticate requests: Pinhole's tokens, Keystone, or none. @throws InvalidInput */
export function chooseIdentity(config: Config, tokens: Tokens, ports: Ports): Identity {
  const { identity } = config.server;
  switch (identity.mode) {
    case 'token':
      return tokens;
    case 'none':
      ports.logger.warn({}, 'identity.mode is none: every client that can reach the API is admin');
      return noIdentity;
    case 'keystone':
      return keystoneIdentity(identity.keystone, ports);
  }
}

function keystoneIdentity(config: KeystoneConfig, ports: Ports): Identity {
  const password =
    'text' in config.password ? config.password.text : readOwn(config.password.file, 'identity.keystone.password_file').trim();
  const ca = config.caFile === null ? null : readOwn(config.caFile, 'identity.keystone.ca_file');
  const options = { ...config, password, ca };
  return new KeystoneIdentity(options, keystoneHttp(options), ports);
}

/** Reads certificate, key and the authority of client certificates, as PEM. @throws InvalidInput that names the setting */
export function loadTls(tls: TlsConfig): TlsOptions {
  return {
    cert: readOwn(tls.certificate, 'tls.certificate'),
    key: readOwn(tls.key, 'tls.key'),
    ...(tls.clientCa === null ? {} : { ca: readOwn(tls.clientCa, 'tls.client_ca') }),
    requireClientCertificate: tls.requireClientCertificate,
  };
}

/** The text of a file, trimmed. The first start creates it with the text of `make`. */
function ownText(path: string, make: () => string, mode: number): string {
  if (!existsSync(path)) writeFileSync(path, make(), { mode, flag: 'wx' });
  return readFileSync(path, 'utf8').trim();
}

function readOwn(path: string, field: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new InvalidInput(field, `${field}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
}
