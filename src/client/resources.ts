import { list, nullable, optional } from '../contract/compounds.ts';
import { HELPER } from '../contract/helper.ts';
import { record } from '../contract/record.ts';
import { ROUTER, type Router } from '../contract/router.ts';
import type { Of, Shape } from '../contract/shape.ts';
import { FAMILY_STATUS, ROUTER_STATUS } from '../contract/status.ts';
import { PinholeError } from '../model/errors.ts';
import { didYouMean } from '../model/nearest.ts';
import { ANY_NUMBER, type Answer, kept } from './answer.ts';
import type { Client } from './client.ts';

/** A conntrack helper as the API shows it. */
export type Helper = Of<typeof HELPER>;

/** Routers that are asked for at once. The server sends fewer where they have many helpers. */
const AT_ONCE = 500;
const NEXT = optional(nullable(ROUTER.fields.id));
const ROUTERS = record({ routers: list(kept(ROUTER), ANY_NUMBER), next: NEXT });
const HELPERS = record({ helpers: list(kept(HELPER), ANY_NUMBER) });

const { id, name, host, netns, confinement } = ROUTER.fields;
const { revision: _, ...declaredFields } = HELPER.fields;

/** The part of {@link ROUTER_STATUS} that an agent's own `/status` has too, which knows neither project nor time of the report. An older agent does not tell `confine`. */
export const STATUS_VIEW = record({
  router: record({ id, name, host, netns, confinement: optional(confinement) }, { confinement: 'confine' }),
  reason: ROUTER_STATUS.fields.reason,
  helpers: list(record({ ...declaredFields, families: list(FAMILY_STATUS, ANY_NUMBER) }), ANY_NUMBER),
});
/** A router and what became of its helpers, as a server or an agent tells it. */
export type StatusView = Of<typeof STATUS_VIEW>;

/**
 * Every router that the token may see, in the server's order.
 * @param flags `selector`: only routers with these labels
 * @throws PinholeError as {@link Client.call}
 */
export async function allRouters(client: Client, flags: { selector?: string } = {}): Promise<readonly Answer<Router>[]> {
  return pages(client, '/v1/routers', { shape: kept(ROUTER), ...flags });
}

/**
 * Reads a list of something of each router, page by page.
 * @param path of the list
 * @param of `shape`: one item; `selector`: only of routers with these labels
 * @throws PinholeError as {@link Client.call}
 */
export async function pages<T>(client: Client, path: string, of: { shape: Shape<T>; selector?: string }): Promise<readonly T[]> {
  const page = record({ routers: list(of.shape, ANY_NUMBER), next: NEXT });
  const selected = of.selector === undefined ? '' : `&selector=${encodeURIComponent(of.selector)}`;
  const found: T[] = [];
  for (let from: string | null = ''; from !== null; ) {
    const answer: Of<typeof page> = await client.read(page, 'GET', `${path}?limit=${AT_ONCE}${selected}${from}`);
    for (const one of answer.routers) found.push(one);
    from = answer.next ? `&marker=${answer.next}` : null;
  }
  return found;
}

/**
 * Finds a router by its id, or by its name if only one router has that name.
 * @throws PinholeError `router-not-found`, or `invalid-input` for a name of several routers
 */
export async function findRouter(client: Client, nameOrId: string): Promise<Answer<Router>> {
  const { routers } = await client.read(ROUTERS, 'GET', `/v1/routers?find=${encodeURIComponent(nameOrId)}`);
  const byId = routers.find(({ value }) => value.id === nameOrId);
  if (byId) return byId;
  if (routers.length > 1)
    throw new PinholeError(
      'invalid-input',
      `${routers.length} routers are named '${nameOrId}'; use an id: ${routers.map(({ value }) => value.id).join(', ')}`,
    );
  if (!routers[0]) throw await notFound(client, nameOrId);
  return routers[0];
}

/** The error for a router that the token may not see, or that is not there, with the nearest names of those that it may see. */
async function notFound(client: Client, nameOrId: string): Promise<PinholeError> {
  const names = (await allRouters(client)).map(({ value }) => value.name);
  return new PinholeError('router-not-found', `Router ${nameOrId} could not be found.${didYouMean(nameOrId, names)}`);
}

/** Path of a host in the API. */
export function hostPath(host: string): string {
  return `/v1/hosts/${encodeURIComponent(host)}`;
}

/** Path of a router's helpers in the API, or of one of them. The id of a helper is escaped. */
export function helpersPath(routerId: string, helperId?: string): string {
  return `/v1/routers/${routerId}/helpers${helperId ? `/${encodeURIComponent(helperId)}` : ''}`;
}

/** The helpers of a router, in the server's order. @throws PinholeError as {@link Client.call} */
export async function helpersOf(client: Client, routerId: string): Promise<readonly Answer<Helper>[]> {
  return (await client.read(HELPERS, 'GET', helpersPath(routerId))).helpers;
}
