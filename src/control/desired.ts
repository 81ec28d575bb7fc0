import type { DesiredRouter } from '../model/desired.ts';
import type { Netns } from '../model/netns.ts';
import type { Router, RouterId } from '../model/router.ts';
import type { Reads } from '../store/interface.ts';

/** Routers that have a namespace, with their helpers, as agents take them. */
export async function desiredRouters(read: Reads, routers: readonly Router[]): Promise<DesiredRouter[]> {
  const helpers = new Map<RouterId, DesiredRouter['helpers'][number][]>(routers.map(({ id }) => [id, []]));
  for (const { routerId, id, protocol, port, helper, scope, expiresAt } of await read.helpersOfMany(routers.map(({ id }) => id))) {
    helpers.get(routerId)?.push({ id, protocol, port, helper, scope, expiresAt });
  }
  return routers.map(({ id, name, netns, revision, confinement }) => ({
    id,
    name,
    netns: netns as Netns,
    revision,
    confinement,
    helpers: helpers.get(id) ?? [],
  }));
}
