import { Client, type ClientFlags } from '../../client/client.ts';
import { allRouters } from '../../client/resources.ts';
import { showRouters } from './show-routers.ts';

/** Prints every router that the token may see; with a selector, those with its labels. */
export async function list(flags: ClientFlags & { selector?: string }): Promise<void> {
  showRouters(await allRouters(new Client(flags), flags), flags);
}
