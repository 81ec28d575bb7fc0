import { Client, type ClientFlags } from '../../client/client.ts';
import { allRouters } from '../../client/resources.ts';
import { showRouters } from './show-routers.ts';

/** Prints every router that the token may see. */
export async function list(flags: ClientFlags): Promise<void> {
  showRouters(await allRouters(new Client(flags)), flags);
}
