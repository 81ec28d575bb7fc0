import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter } from '../../client/resources.ts';
import { findOne } from './find-one.ts';
import { showHelper } from './show-helpers.ts';

/** Prints a helper of a router; {@link findOne} says how it may be named. */
export async function show(router: string, helper: string, flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const found = (await findRouter(client, router)).value;
  showHelper({ router: found.name, helper: await findOne(client, found, helper) }, flags);
}
