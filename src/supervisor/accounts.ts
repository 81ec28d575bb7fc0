import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { InvalidInput } from '../model/errors.ts';

/** Numeric ids that the processes run under. */
export interface Accounts {
  /** User of server and agent. */
  readonly pinhole: number;
  /** User of the kernel process. */
  readonly kernel: number;
  /** Group of all three. */
  readonly group: number;
}

/** Used if the default users do not exist, as in a checkout: ids that Debian assigns only on request (policy 9.2.2, 64000 and up). */
const FALLBACK: Accounts = { pinhole: 64711, kernel: 64712, group: 64711 };

/**
 * The ids of the configured users and group, which are names in /etc/passwd and /etc/group, or numbers.
 * @throws InvalidInput for a name that does not exist, and for root
 */
export function resolveAccounts(users: Config['users']): Accounts {
  return {
    pinhole: resolve(users.pinhole, { file: '/etc/passwd', fallback: users.pinhole === 'pinhole' ? FALLBACK.pinhole : null }),
    kernel: resolve(users.kernel, { file: '/etc/passwd', fallback: users.kernel === 'pinhole-kernel' ? FALLBACK.kernel : null }),
    group: resolve(users.group, { file: '/etc/group', fallback: users.group === 'pinhole' ? FALLBACK.group : null }),
  };
}

function resolve(name: string, { file, fallback }: { file: string; fallback: number | null }): number {
  if (/^[1-9]\d{0,9}$/.test(name)) return Number(name);
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find((text) => text.startsWith(`${name}:`));
  const id = Number(line?.split(':')[2]);
  if (line && id > 0) return id;
  if (fallback !== null) return fallback;
  throw new InvalidInput('users', `Invalid input for users. ${file} has no '${name}' or it is root, which is not allowed.`);
}
