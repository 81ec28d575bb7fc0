import { Client, type ClientFlags } from '../../client/client.ts';
import { hostPath } from '../../client/resources.ts';
import { print } from '../../terminal/table.ts';

/**
 * Forgets a silent host.
 * @throws PinholeError `host-not-found`; `host-in-use` for one that is alive or, without `--force`, that routers name
 */
export async function forget(host: string, flags: ClientFlags & { force?: boolean }): Promise<void> {
  await new Client(flags).call('DELETE', `${hostPath(host)}${flags.force ? '?force=true' : ''}`);
  print(`forgotten: ${host}\n`);
}
