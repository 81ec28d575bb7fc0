import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Identity } from '../../control/identity/interface.ts';
import type { ConntrackHelper, HelperId } from '../../model/conntrack-helper.ts';
import { parseScope } from '../../model/conntrack-helper.ts';
import { InvalidInput } from '../../model/errors.ts';
import type { RouterId } from '../../model/router.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Services } from '../services.ts';
import { adminRoutes } from './admin-routes.ts';
import { helperBody, routerBody, routerInput, statusBody } from './bodies.ts';
import * as schema from './schemas.ts';
import { streamRoutes } from './streams.ts';

const ROUTERS = ['routers'];
const HELPERS = ['conntrack helpers'];

/** Pinhole's own dialect: what Neutron's bodies have no place for. */
export function nativeRoutes(services: Services, identity: Identity, clock: Clock): FastifyPluginAsync {
  return async (app) => {
    await app.register(routerRoutes(services));
    await app.register(helperRoutes(services));
    await app.register(statusRoutes(services));
    await app.register(streamRoutes(services, identity, clock));
    await app.register(adminRoutes(services));
  };
}

function routerRoutes({ routers, live, expectations }: Services): FastifyPluginAsync {
  return async (plain) => {
    const app = plain.withTypeProvider<TypeBoxTypeProvider>();
    const one = { tags: ROUTERS, params: schema.RouterParams };
    app.get(
      '/routers',
      { schema: { tags: ROUTERS, querystring: schema.RouterQuery }, config: { policy: 'get_router' } },
      async (request) => {
        const { find } = request.query;
        const found = find === undefined ? await routers.list(request.principal) : await routers.find(request.principal, find);
        return { routers: found.map(routerBody) };
      },
    );
    app.post(
      '/routers',
      { schema: { tags: ROUTERS, body: schema.RouterCreate }, config: { policy: 'create_router' } },
      async (request, reply) => {
        const made = await routers.create(request.principal, routerInput(request.body));
        return withEtag(reply.code(201), made.revision).send(routerBody(made));
      },
    );
    app.get('/routers/:id', { schema: one, config: { policy: 'get_router' } }, async (request, reply) => {
      const found = await routers.get(request.principal, request.params.id as RouterId);
      return withEtag(reply, found.revision).send(routerBody(found));
    });
    app.put(
      '/routers/:id',
      { schema: { ...one, body: schema.RouterUpdate }, config: { policy: 'update_router' } },
      async (request, reply) => {
        const change = { input: routerInput(request.body), revision: ifMatch(request) };
        const changed = await routers.update(request.principal, request.params.id as RouterId, change);
        return withEtag(reply, changed.revision).send(routerBody(changed));
      },
    );
    app.delete('/routers/:id', { schema: one, config: { policy: 'delete_router' } }, async (request, reply) => {
      await routers.delete(request.principal, request.params.id as RouterId, ifMatch(request));
      return reply.code(204).send();
    });
    app.get('/routers/:id/expectations', { schema: one, config: { policy: 'get_router_expectations' } }, async (request) => ({
      expectations: await expectations.list(request.principal, request.params.id as RouterId),
    }));
    app.get('/routers/:id/plan', { schema: one, config: { policy: 'get_router_plan' } }, async (request) =>
      live.plan(request.principal, request.params.id as RouterId),
    );
  };
}

function helperRoutes({ routers, helpers, live }: Services): FastifyPluginAsync {
  return async (plain) => {
    const app = plain.withTypeProvider<TypeBoxTypeProvider>();
    const all = { tags: HELPERS, params: schema.RouterParams };
    const one = { tags: HELPERS, params: schema.HelperParams };
    // Neutron tells strangers which routers and helpers exist; of this dialect they learn nothing.
    app.addHook('preHandler', async (request) => {
      await routers.get(request.principal, (request.params as { id: string }).id as RouterId);
    });
    const ids = ({ id, helper }: { id: string; helper: string }) => [id as RouterId, helper as HelperId] as const;
    app.get('/routers/:id/helpers', { schema: all, config: { policy: 'get_router_conntrack_helper' } }, async (request) => {
      return { helpers: (await helpers.list(request.principal, request.params.id as RouterId)).map(helperBody) };
    });
    app.post(
      '/routers/:id/helpers',
      { schema: { ...all, body: schema.HelperCreate }, config: { policy: 'create_router_conntrack_helper' } },
      async (request, reply) => {
        const { scope, expires_at, ...rest } = request.body;
        const input = { ...rest, scope: scope ? parseScope(scope) : null, expiresAt: expires_at };
        const [made] = await helpers.create(request.principal, request.params.id as RouterId, [input]);
        return withEtag(reply.code(201), (made as ConntrackHelper).revision).send(helperBody(made as ConntrackHelper));
      },
    );
    app.get('/routers/:id/helpers/:helper', { schema: one, config: { policy: 'get_router_conntrack_helper' } }, async (request, reply) => {
      const found = await helpers.get(request.principal, ...ids(request.params));
      return withEtag(reply, found.revision).send(helperBody(found));
    });
    app.put(
      '/routers/:id/helpers/:helper',
      { schema: { ...one, body: schema.HelperUpdate }, config: { policy: 'update_router_conntrack_helper' } },
      async (request, reply) => {
        const { scope, expires_at, ...rest } = request.body;
        const input = {
          ...rest,
          ...(scope === undefined ? {} : { scope: scope && parseScope(scope) }),
          ...(expires_at === undefined ? {} : { expiresAt: expires_at }),
        };
        const changed = await helpers.update(request.principal, ...ids(request.params), { input, revision: ifMatch(request) });
        return withEtag(reply, changed.revision).send(helperBody(changed));
      },
    );
    app.delete(
      '/routers/:id/helpers/:helper',
      { schema: one, config: { policy: 'delete_router_conntrack_helper' } },
      async (request, reply) => {
        await helpers.delete(request.principal, ...ids(request.params), ifMatch(request));
        return reply.code(204).send();
      },
    );
    app.post(
      '/routers/:id/helpers/:helper/reapply',
      {
        schema: { ...one, description: 'Gives the helper to connections that are already there.' },
        config: { policy: 'reapply_router_conntrack_helper' },
      },
      async (request) => ({ connections: await live.reapply(request.principal, ...ids(request.params)) }),
    );
  };
}

function statusRoutes({ status }: Services): FastifyPluginAsync {
  return async (plain) => {
    const app = plain.withTypeProvider<TypeBoxTypeProvider>();
    app.get('/status', { schema: { tags: ['status'] }, config: { policy: 'get_router_status' } }, async (request) => ({
      routers: (await status.routers(request.principal)).map(statusBody),
    }));
    app.get(
      '/status/:id',
      { schema: { tags: ['status'], params: schema.RouterParams }, config: { policy: 'get_router_status' } },
      async (request) => statusBody(await status.router(request.principal, request.params.id as RouterId)),
    );
    app.get('/agents', { schema: { tags: ['status'] }, config: { policy: 'get_agent' } }, async (request) => ({
      agents: (await status.agents(request.principal)).map(({ host, startedAt, seenAt, interval, alive, state }) => ({
        host,
        alive,
        started_at: startedAt,
        seen_at: seenAt,
        interval,
        state,
      })),
    }));
  };
}

function withEtag(reply: FastifyReply, revision: number): FastifyReply {
  return reply.header('etag', `"${revision}"`);
}

/** `If-Match: "N"`, the revision that a change is meant for; `*` and none mean any. */
function ifMatch(request: FastifyRequest): number | undefined {
  const header = request.headers['if-match'];
  if (header === undefined || header === '*') return undefined;
  const [, revision] = /^"(\d{1,15})"$/.exec(header) ?? [];
  if (revision === undefined) throw new InvalidInput('if-match', 'Invalid input for If-Match. It is an ETag as given, like "3".');
  return Number(revision);
}
