import type { DesiredRouter } from '../contract/desired-router.ts';
import type { ConntrackHelper } from '../contract/helper.ts';
import type { Netns } from '../contract/netns.ts';
import type { RouterId } from '../contract/primitives.ts';
import type { Router } from '../contract/router.ts';
import { grouped } from '../model/grouped.ts';
import type { Reads } from '../store/interface.ts';

/** Up to so many are asked for one by one. */
const FEW = 16;

/** Routers that are served, with their helpers, as agents take them. */
export async function desiredRouters(read: Reads, routers: readonly Router[]): Promise<DesiredRouter[]> {
  const served = routers.filter(isServed);
  const helpers = grouped(await read.helpersOfMany(served.map(({ id }) => id)), ({ routerId }) => [routerId]);
  return served.map((router) => desired(router, helpers.get(router.id) ?? []));
}

/** After a change it is few that are asked for: then each is read by prepared statements, all of them at once. */
export async function desiredByIds(read: Reads, ids: readonly string[], host: string): Promise<DesiredRouter[]> {
  if (ids.length > FEW) return desiredRouters(read, await read.routers({ ids, hosts: [host] }));
  const found = await Promise.all(
    ids.map(async (id) => {
      const [router, own] = await Promise.all([read.router(id as RouterId), read.routerHelpers(id as RouterId)]);
      return router && router.host === host && isServed(router) ? [desired(router, own?.helpers ?? [])] : [];
    }),
  );
  return found.flat();
}

/** A router that an agent serves: it has a host and a namespace there. */
export interface ServedRouter extends Router {
  readonly host: string;
  readonly netns: Netns;
}

export function isServed(router: Router): router is ServedRouter {
  return router.host !== null && router.netns !== null;
}

/** One router as its agent takes it. */
export async function desiredRouter(read: Reads, router: ServedRouter): Promise<DesiredRouter> {
  return desired(router, await read.helpersOfMany([router.id]));
}

function desired({ id, name, netns, revision, confinement }: ServedRouter, helpers: readonly ConntrackHelper[]): DesiredRouter {
  return { id, name, netns, revision, confinement, helpers };
}
