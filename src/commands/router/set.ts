import { Client } from '../../client/client.ts';
import { findRouter, type RouterJson } from '../../client/resources.ts';
import { type RouterFlags, routerFields } from './flags.ts';
import { showRouter } from './show-routers.ts';

/** Changes those fields of a router that flags name. */
export async function set(router: string, flags: RouterFlags & { name?: string }): Promise<void> {
  const client = new Client(flags);
  const { id } = await findRouter(client, router);
  const name = flags.name === undefined ? {} : { name: flags.name };
  showRouter(await client.call<RouterJson>('PUT', `/v1/routers/${id}`, { ...name, ...routerFields(flags) }), flags);
}
