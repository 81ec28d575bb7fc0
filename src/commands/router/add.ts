import { Client } from '../../client/client.ts';
import type { RouterJson } from '../../client/resources.ts';
import { type RouterFlags, routerFields } from './flags.ts';
import { showRouter } from './show-routers.ts';

/** Declares a router. */
export async function add(name: string, flags: RouterFlags): Promise<void> {
  showRouter(await new Client(flags).call<RouterJson>('POST', '/v1/routers', { name, ...routerFields(flags) }), flags);
}
