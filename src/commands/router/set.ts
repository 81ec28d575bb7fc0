import { kept } from '../../client/answer.ts';
import { Client } from '../../client/client.ts';
import { findRouter } from '../../client/resources.ts';
import { ROUTER } from '../../contract/router.ts';
import { type RouterFlags, routerFields } from './flags.ts';
import { showRouter } from './show-routers.ts';

/**
 * Changes the fields of a router that flags name, leaves the others as they are, and prints the router.
 * @throws PinholeError `host-unavailable`, without `--force`, for a host that does not serve it now
 */
export async function set(router: string, flags: RouterFlags & { name?: string; force?: boolean }): Promise<void> {
  const client = new Client(flags);
  const { id } = (await findRouter(client, router)).value;
  const name = flags.name === undefined ? {} : { name: flags.name };
  showRouter(
    await client.read(kept(ROUTER), 'PATCH', `/v1/routers/${id}${flags.force ? '?force=true' : ''}`, { ...name, ...routerFields(flags) }),
    flags,
  );
}
