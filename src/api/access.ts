import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Identity } from '../control/identity/interface.ts';
import type { RuleName } from '../control/policy/policy.ts';
import type { Principal } from '../control/principal.ts';
import { InvalidInput, PinholeError } from '../model/errors.ts';
import type { RateLimits } from './rate-limits.ts';

/**
 * Which rule of the policy decides about a route. `open`: answers without a token; `authenticated`: to anybody who has one. A
 * route without one of these cannot be registered.
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

export interface RouteAccess {
  readonly method: string;
  readonly url: string;
  readonly policy: RoutePolicy;
}

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,128}$/;

/** Every request is authenticated before anything else of it is looked at; rules are asked by the use cases. */
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
    // No text of ours has one, and PostgreSQL takes none.
    if (/%00/.test(request.raw.url ?? '')) throw new InvalidInput('url', 'A URL with a NUL character names nothing.');
    if (request.routeOptions.config.policy === 'open') return;
    const token = presentedToken(request);
    rates.checkAddress(request.ip, token);
    try {
      request.principal = await authenticate(identity, request);
      rates.rememberGood(token);
    } catch (error) {
      if (error instanceof PinholeError && error.code === 'unauthenticated') {
        rates.countFailure(request.ip);
        reply.header('www-authenticate', identity.challenge);
      }
      throw error;
    }
    rates.countRequest(request.principal.name);
  });
  return routes;
}

/** Who a request says to be. Also for streams, which ask again while they last. */
export async function authenticate(identity: Identity, request: FastifyRequest): Promise<Principal> {
  const principal = await identity.authenticate({ token: presentedToken(request), requestId: request.id });
  const key = request.headers['idempotency-key'];
  if (key === undefined) return principal;
  if (typeof key !== 'string' || !IDEMPOTENCY_KEY.test(key))
    throw new InvalidInput('idempotency-key', 'Idempotency-Key is at most 128 printable characters without blanks.');
  return { ...principal, idempotencyKey: key };
}

function presentedToken(request: FastifyRequest): string {
  const own = request.headers['x-auth-token'];
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  return typeof own === 'string' ? own : (bearer ?? '');
}
