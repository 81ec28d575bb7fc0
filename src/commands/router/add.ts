import { kept } from '../../client/answer.ts';
import { Client } from '../../client/client.ts';
import { ROUTER } from '../../contract/router.ts';
import { type RouterFlags, routerFields } from './flags.ts';
import { showRouter } from './show-routers.ts';

/** Declares a router and prints it. */
export async function add(name: string, flags: RouterFlags): Promise<void> {
  showRouter(await new Client(flags).read(kept(ROUTER), 'POST', '/v1/routers', { name, ...routerFields(flags) }), flags);
}
