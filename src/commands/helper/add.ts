import { Client } from '../../client/client.ts';
import { findRouter } from '../../client/resources.ts';
import { declare } from './declare.ts';
import { type HelperFlags, protocolAndPort, scopeAndExpiry } from './flags.ts';
import type { WaitFlags } from './outcome.ts';

/** Declares a helper of the catalogue in a router and prints it; {@link declare} says what else. */
export async function add(router: string, helper: string, flags: HelperFlags & WaitFlags): Promise<void> {
  const { value } = await findRouter(new Client(flags), router);
  const fields = { helper, ...protocolAndPort(helper, flags), ...scopeAndExpiry(flags) };
  await declare({ router: value, id: null, fields }, flags);
}
