import { kept } from '../../client/answer.ts';
import { Client } from '../../client/client.ts';
import { findRouter, helpersPath } from '../../client/resources.ts';
import { HELPER } from '../../contract/helper.ts';
import { type HelperFlags, protocolAndPort, scopeAndExpiry } from './flags.ts';
import { showHelper } from './show-helpers.ts';

/** Declares a helper of the catalogue in a router and prints it. */
export async function add(router: string, helper: string, flags: HelperFlags): Promise<void> {
  const client = new Client(flags);
  const { id, name } = (await findRouter(client, router)).value;
  const fields = { helper, ...protocolAndPort(helper, flags), ...scopeAndExpiry(flags) };
  showHelper({ router: name, helper: await client.read(kept(HELPER), 'POST', helpersPath(id), fields) }, flags);
}
