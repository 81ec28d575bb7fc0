import { Client, type ClientFlags } from '../../client/client.ts';
import { allRouters, findRouter, helpersOf } from '../../client/resources.ts';
import { type HelperRow, showHelpers } from './show-helpers.ts';

/** Prints the helpers of one router, or of every router that the token may see. */
export async function list(router: string | undefined, flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const routers = router === undefined ? await allRouters(client) : [await findRouter(client, router)];
  const rows: HelperRow[] = [];
  for (const { value } of routers) rows.push(...(await helpersOf(client, value.id)).map((helper) => ({ router: value.name, helper })));
  showHelpers(rows, flags);
}
