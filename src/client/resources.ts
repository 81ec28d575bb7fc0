import { HELPER } from '../contract/helper.ts';
import { ROUTER, type Router } from '../contract/router.ts';
import type { Of } from '../contract/shape.ts';
import { PinholeError } from '../model/errors.ts';
import type { Client } from './client.ts';

/** What the API sends, as far as commands use it. */
export interface RouterJson {
  readonly id: string;
  readonly name: string;
  readonly project_id: string;
  readonly host: string | null;
  readonly netns: string | null;
  readonly revision: number;
  readonly confine: false | { readonly blocked_ports: readonly number[]; readonly rate_per_second: number };
}

export interface ScopeJson {
  readonly source: string | null;
  readonly destination: string | null;
  readonly in_interface: string | null;
}

export interface HelperJson {
  readonly id: string;
  readonly protocol: string;
  readonly port: number;
  readonly helper: string;
  readonly scope: ScopeJson | null;
  readonly expires_at: string | null;
}

export interface FamilyJson {
  readonly family: string;
  readonly status: string;
  readonly reason: string;
}

export interface StatusJson {
  readonly router: RouterJson;
  readonly reason: string;
  readonly reported_at: string | null;
  readonly drifts: number;
  readonly helpers: readonly (HelperJson & { readonly families: readonly FamilyJson[] })[];
}

/** Every router that the token may see. */
export async function allRouters(client: Client): Promise<Router[]> {
  const { routers } = await client.get<{ routers: unknown[] }>('/v1/routers');
  return routers.map((router) => ROUTER.readKnown(router));
}

/** A router's helpers as the contract has them. */
export async function declaredHelpers(client: Client, routerId: string): Promise<Of<typeof HELPER>[]> {
  const { helpers } = await client.get<{ helpers: unknown[] }>(helpersPath(routerId));
  return helpers.map((helper) => HELPER.readKnown(helper));
}

/** A router by id or name. @throws PinholeError `router-not-found`, or `invalid-input` for a name that several have */
export async function findRouter(client: Client, nameOrId: string): Promise<RouterJson> {
  const { routers } = await client.get<{ routers: RouterJson[] }>(`/v1/routers?find=${encodeURIComponent(nameOrId)}`);
  const byId = routers.find(({ id }) => id === nameOrId);
  if (byId) return byId;
  if (routers.length > 1)
    throw new PinholeError(
      'invalid-input',
      `${routers.length} routers are named '${nameOrId}'; use an id: ${routers.map(({ id }) => id).join(', ')}`,
    );
  if (!routers[0]) throw new PinholeError('router-not-found', `Router ${nameOrId} could not be found.`);
  return routers[0];
}

export function helpersPath(routerId: string, helperId?: string): string {
  return `/v1/routers/${routerId}/helpers${helperId ? `/${encodeURIComponent(helperId)}` : ''}`;
}

export async function helpersOf(client: Client, routerId: string): Promise<HelperJson[]> {
  return (await client.get<{ helpers: HelperJson[] }>(helpersPath(routerId))).helpers;
}

export function showScope(scope: ScopeJson | null): string {
  if (!scope) return '';
  const parts = [
    scope.source && `from ${scope.source}`,
    scope.destination && `to ${scope.destination}`,
    scope.in_interface && `in ${scope.in_interface}`,
  ];
  return parts.filter(Boolean).join(' ');
}
