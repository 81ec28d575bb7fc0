import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter } from '../../client/resources.ts';
import { showRouter } from './show-routers.ts';

/** Prints a router, which an id or a name says. */
export async function show(router: string, flags: ClientFlags): Promise<void> {
  showRouter(await findRouter(new Client(flags), router), flags);
}
