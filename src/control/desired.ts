import type { DesiredRouter } from '../model/desired.ts';
import type { Netns } from '../model/netns.ts';
import type { Router, RouterId } from '../model/router.ts';
import type { Reads } from '../store/interface.ts';

/** Up to so many are asked for one by one. */
const FEW = 16;

/** Routers that have a namespace, with their helpers, as agents take them. */
export async function desiredRouters(read: Reads, routers: readonly Router[]): Promise<DesiredRouter[]> {
  const helpers = new Map<RouterId, DesiredRouter['helpers'][number][]>(routers.map(({ id }) => [id, []]));
  for (const helper of await read.helpersOfMany(routers.map(({ id }) => id))) helpers.get(helper.routerId)?.push(helper);
  return routers.map((router) => desired(router, helpers.get(router.id) ?? []));
}

/** After a change it is few that are asked for: then each is read by prepared statements, all of them at once. */
export async function desiredByIds(read: Reads, ids: readonly string[], host: string): Promise<DesiredRouter[]> {
  if (ids.length > FEW) return desiredRouters(read, (await read.routers({ ids, hosts: [host] })).filter(isServed));
  const found = await Promise.all(
    ids.map(async (id) => {
      const [router, own] = await Promise.all([read.router(id as RouterId), read.routerHelpers(id as RouterId)]);
      return router?.host === host && isServed(router) ? [desired(router, own?.helpers ?? [])] : [];
    }),
  );
  return found.flat();
}

function isServed({ netns }: Router): boolean {
  return netns !== null;
}

function desired({ id, name, netns, revision, confinement }: Router, helpers: DesiredRouter['helpers']): DesiredRouter {
  const told = helpers.map(({ id, protocol, port, helper, scope, expiresAt }) => ({ id, protocol, port, helper, scope, expiresAt }));
  return { id, name, netns: netns as Netns, revision, confinement, helpers: told };
}
