import { kept } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { QUOTA } from '../../contract/quota.ts';
import { InvalidInput } from '../../model/errors.ts';
import { quotaPath, showQuota } from './show-quota.ts';

/** Sets limits of a project and prints its quotas. A limit without a flag stays; `default` restores the configured limit. */
export async function set(project: string, flags: ClientFlags & { routers?: string; helpers?: string }): Promise<void> {
  const body = { routers: limit(flags.routers, 'routers'), helpers: limit(flags.helpers, 'helpers') };
  showQuota(await new Client(flags).read(kept(QUOTA), 'PUT', quotaPath(project), body), flags);
}

function limit(text: string | undefined, name: string): number | null | undefined {
  if (text === undefined) return undefined;
  if (text === 'default') return null;
  if (text === 'none') return -1;
  if (!/^\d{1,9}$/.test(text)) throw new InvalidInput(name, `--${name}: '${text}' is not a number, 'none' or 'default'.`);
  return Number(text);
}
