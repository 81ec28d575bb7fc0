import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter, helpersOf, type RouterJson } from '../../client/resources.ts';
import { type HelperRow, showHelpers } from './show-helpers.ts';

/** Lists the helpers of a router, or of all routers. */
export async function list(router: string | undefined, flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const routers =
    router === undefined ? (await client.get<{ routers: RouterJson[] }>('/v1/routers')).routers : [await findRouter(client, router)];
  const rows: HelperRow[] = [];
  for (const { id, name } of routers) rows.push(...(await helpersOf(client, id)).map((helper) => ({ ...helper, router: name })));
  showHelpers(rows, flags);
}
