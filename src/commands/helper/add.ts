import { Client } from '../../client/client.ts';
import { findRouter, type HelperJson, helpersPath } from '../../client/resources.ts';
import { type HelperFlags, protocolAndPort, scopeAndExpiry } from './flags.ts';
import { showHelper } from './show-helpers.ts';

/** Declares a helper. */
export async function add(router: string, helper: string, flags: HelperFlags): Promise<void> {
  const client = new Client(flags);
  const { id, name } = await findRouter(client, router);
  const fields = { helper, ...protocolAndPort(helper, flags), ...scopeAndExpiry(flags) };
  showHelper({ ...(await client.call<HelperJson>('POST', helpersPath(id), fields)), router: name }, flags);
}
