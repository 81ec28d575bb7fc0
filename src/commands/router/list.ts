import { Client, type ClientFlags } from '../../client/client.ts';
import type { RouterJson } from '../../client/resources.ts';
import { showRouters } from './show-routers.ts';

/** Lists routers. */
export async function list(flags: ClientFlags): Promise<void> {
  showRouters((await new Client(flags).get<{ routers: RouterJson[] }>('/v1/routers')).routers, flags);
}
