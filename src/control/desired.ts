import type { DesiredRouter } from '../contract/desired-router.ts';
import type { ConntrackHelper } from '../contract/helper.ts';
import type { Netns } from '../contract/netns.ts';
import type { RouterId } from '../contract/primitives.ts';
import type { Router } from '../contract/router.ts';
import { grouped } from '../model/grouped.ts';
import type { Reads } from '../store/interface.ts';

/** Number of routers up to which each is read by prepared statements of its own. */
const FEW = 16;

/** Returns the desired state of those routers that an agent serves, in their order. */
export async function desiredRouters(read: Reads, routers: readonly Router[]): Promise<DesiredRouter[]> {
  const served = routers.filter(isServed);
  const helpers = grouped(await read.helpersOfMany(served.map(({ id }) => id)), ({ routerId }) => [routerId]);
  return served.map((router) => desired(router, helpers.get(router.id) ?? []));
}

/**
 * Returns the desired state of the routers with these ids that the host serves. A hint after a change names few routers; these are
 * read by prepared statements, all at once.
 */
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

/** A router that an agent serves: it has a host, and a network namespace there. */
export interface ServedRouter extends Router {
  readonly host: string;
  readonly netns: Netns;
}

/** Whether the router has a host and a network namespace. */
export function isServed(router: Router): router is ServedRouter {
  return router.host !== null && router.netns !== null;
}

/** Returns the desired state of one router. */
export async function desiredRouter(read: Reads, router: ServedRouter): Promise<DesiredRouter> {
  return desired(router, await read.helpersOfMany([router.id]));
}

function desired({ id, name, netns, revision, confinement }: ServedRouter, helpers: readonly ConntrackHelper[]): DesiredRouter {
  return { id, name, netns, revision, confinement, helpers };
}
