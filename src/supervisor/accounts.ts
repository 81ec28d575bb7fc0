import { readFileSync } from 'node:fs';
import { type Config, DEFAULT_USERS } from '../config/config.ts';
import { InvalidInput } from '../model/errors.ts';

/** A user and its own group: numeric ids. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** The processes of Pinhole, each with a user of its own. */
export type ProcessName = keyof Config['users'];

export type Accounts = Readonly<Record<ProcessName, Account>>;

/** Used if the default users do not exist, as in a checkout: ids that Debian assigns only on request (policy 9.2.2, 64000 and up). */
const FALLBACK: Readonly<Record<ProcessName, number>> = { server: 64_711, kernel: 64_712, agent: 64_713, opener: 64_714 };

/**
 * The ids of the configured users, which are names in /etc/passwd or numbers. A user's group is its primary one; that of a number is the
 * same number.
 * @throws InvalidInput for a name that does not exist, for root, and for two processes with one user or group
 */
export function resolveAccounts(users: Config['users']): Accounts {
  const accounts = {
    server: resolve(users, 'server'),
    agent: resolve(users, 'agent'),
    kernel: resolve(users, 'kernel'),
    opener: resolve(users, 'opener'),
  };
  for (const id of ['uid', 'gid'] as const)
    if (new Set(Object.values(accounts).map((account) => account[id])).size < Object.keys(accounts).length)
      throw new InvalidInput('users', 'Invalid input for users. Each process has a user and a primary group of its own.');
  return accounts;
}

/** The group of those who may read the configuration: of the package, which lets server and agent read it. Null where there is none. */
export function configReaders(): number | null {
  return Number(entry('/etc/group', 'pinhole')?.[2]) || null;
}

function resolve(users: Config['users'], process: ProcessName): Account {
  const name = users[process];
  if (/^[1-9]\d{0,9}$/.test(name)) return { uid: Number(name), gid: Number(name) };
  const found = entry('/etc/passwd', name);
  const [, , uid, gid] = (found ?? []).map(Number);
  if (uid && gid) return { uid, gid };
  if (found === null && name === DEFAULT_USERS[process]) return { uid: FALLBACK[process], gid: FALLBACK[process] };
  throw new InvalidInput(
    `users.${process}`,
    `Invalid input for users.${process}. /etc/passwd has no '${name}', or it is root or in root's group, which is not allowed.`,
  );
}

/** The fields of a name's line in /etc/passwd or /etc/group; null where there is none. */
function entry(file: string, name: string): string[] | null {
  const line = readFileSync(file, 'utf8')
    .split('\n')
    .find((text) => text.startsWith(`${name}:`));
  return line?.split(':') ?? null;
}
