import { kept } from '../../client/answer.ts';
import { Client } from '../../client/client.ts';
import { hostPath } from '../../client/resources.ts';
import { HOST } from '../../contract/host.ts';
import { ROUTER } from '../../contract/router.ts';
import { PinholeError } from '../../model/errors.ts';
import { warn } from '../../terminal/table.ts';
import { type RouterFlags, routerFields } from './flags.ts';
import { showRouter } from './show-routers.ts';

/** Declares a router and prints it. Says if no agent serves its host now. */
export async function add(name: string, flags: RouterFlags): Promise<void> {
  const client = new Client(flags);
  const made = await client.read(kept(ROUTER), 'POST', '/v1/routers', { name, ...routerFields(flags) });
  showRouter(made, flags);
  const { host } = made.value;
  const why = host !== null && flags.host !== undefined ? await whyUnserved(client, host) : null;
  if (why !== null) warn(`the router is declared, and ${why}`);
}

/** Why no agent serves a host now; null if one does, or if this token may not know. */
async function whyUnserved(client: Client, host: string): Promise<string | null> {
  try {
    const { state, seenAt } = await client.read(HOST, 'GET', hostPath(host));
    if (state === 'unknown') return `no agent has ever reported from host ${host}: 'pinhole host list' shows those that have`;
    return state === 'silent' ? `the agent on ${host} has been silent since ${seenAt}` : null;
  } catch (error) {
    if (error instanceof PinholeError && error.code === 'denied') return null;
    throw error;
  }
}
