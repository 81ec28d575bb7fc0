import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Identity } from '../control/identity/interface.ts';
import type { RuleName } from '../control/policy/policy.ts';
import type { Principal } from '../control/principal.ts';
import { InvalidInput, PinholeError } from '../model/errors.ts';
import type { RateLimits } from './rate-limits.ts';

/**
 * The policy rule that decides about a route. `open`: the route needs no token. `authenticated`: any valid token will do. A route
 * without one of these cannot be registered.
 */
export type RoutePolicy = RuleName | 'open' | 'authenticated';

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal;
  }
  interface FastifyContextConfig {
    policy?: RoutePolicy;
  }
}

/** One registered route and the rule that decides about it. */
export interface RouteAccess {
  readonly method: string;
  readonly url: string;
  readonly policy: RoutePolicy;
}

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,128}$/;

/**
 * Authenticates every request before anything else of it is read. The use cases enforce the policy rules.
 * @returns the list of routes, which grows as routes are registered
 * @throws Error at the registration of a route without a policy
 */
export function guardRoutes(app: FastifyInstance, { identity, rates }: { identity: Identity; rates: RateLimits }): RouteAccess[] {
  const routes: RouteAccess[] = [];
  app.decorateRequest('principal', null as unknown as Principal);
  app.addHook('onRoute', ({ method, url, config }) => {
    const policy = config?.policy;
    if (policy === undefined) throw new Error(`route ${method} ${url} has no policy`);
    for (const one of [method].flat()) routes.push({ method: one, url, policy });
  });
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-openstack-request-id', request.id);
    // No text of Pinhole contains NUL, and PostgreSQL cannot store it.
    if (/%00/.test(request.raw.url ?? '')) throw new InvalidInput('url', 'Invalid input for url. A URL cannot contain a NUL character.');
    if (request.routeOptions.config.policy === 'open') return;
    const from = { address: request.ip, token: presentedToken(request) };
    try {
      request.principal = await rates.authenticated(from, () => authenticate(identity, request), identity);
    } catch (error) {
      if (error instanceof PinholeError && error.code === 'unauthenticated') reply.header('www-authenticate', identity.challenge);
      throw error;
    }
    rates.countRequest(request.principal.name);
  });
  return routes;
}

/**
 * Returns the principal of a request, with its idempotency key if it has one. Streams call this again while they last.
 * @throws PinholeError `unauthenticated`, `identity-unavailable`; InvalidInput for a malformed Idempotency-Key
 */
export async function authenticate(identity: Identity, request: FastifyRequest): Promise<Principal> {
  const principal = await identity.authenticate({ token: presentedToken(request), requestId: request.id });
  const key = request.headers['idempotency-key'];
  if (key === undefined) return principal;
  if (typeof key !== 'string' || !IDEMPOTENCY_KEY.test(key))
    throw new InvalidInput(
      'idempotency-key',
      'Invalid input for idempotency-key. It is 1 to 128 printable ASCII characters without blanks.',
    );
  return { ...principal, idempotencyKey: key };
}

/** Returns the value of `X-Auth-Token`, else the bearer token of `Authorization`, else an empty text. */
function presentedToken(request: FastifyRequest): string {
  const own = request.headers['x-auth-token'];
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  return typeof own === 'string' ? own : (bearer ?? '');
}
