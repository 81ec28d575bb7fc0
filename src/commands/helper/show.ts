import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter } from '../../client/resources.ts';
import { findOne } from './find-one.ts';
import { showHelper } from './show-helpers.ts';

/** Shows a helper, by id or name. */
export async function show(router: string, helper: string, flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const found = await findRouter(client, router);
  showHelper({ ...(await findOne(client, found, helper)), router: found.name }, flags);
}
