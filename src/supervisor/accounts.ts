import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { InvalidInput } from '../model/errors.ts';

/** Who the processes run as. */
export interface Accounts {
  readonly pinhole: number;
  readonly kernel: number;
  readonly group: number;
}

/** Where a checkout runs and the users do not exist: numbers that Debian gives to nobody (policy 9.2.2 leaves 64000+ to ask for). */
const FALLBACK: Accounts = { pinhole: 64711, kernel: 64712, group: 64711 };

/** Names from /etc/passwd and /etc/group, or numbers. @throws InvalidInput for a configured name that does not exist */
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
  throw new InvalidInput('users', `Invalid input for users. ${file} has no '${name}' (and root will not do).`);
}
