import { PassThrough } from 'node:stream';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyPluginAsync } from 'fastify';
import type { HelperView, RouterView } from '../../control/status.ts';
import type { Token } from '../../control/tokens.ts';
import { type ConntrackHelper, type HelperId, parseScope } from '../../model/conntrack-helper.ts';
import { DEFAULT_CONFINEMENT, type Router, type RouterId } from '../../model/router.ts';
import type { Services } from '../services.ts';
import * as schema from './schemas.ts';

const ROUTERS = ['routers'];
const HELPERS = ['conntrack helpers'];
const TOKENS = ['tokens'];

/** Pinhole's own dialect: what Neutron's bodies have no place for. */
export function nativeRoutes(services: Services): FastifyPluginAsync {
  const { routers, helpers, status, tokens, expectations } = services;
  return async (plain) => {
    const app = plain.withTypeProvider<TypeBoxTypeProvider>();
    app.get('/routers', { schema: { tags: ROUTERS, querystring: schema.RouterQuery } }, async (request) => {
      const { find } = request.query;
      const found = find === undefined ? await routers.list(request.principal) : await routers.find(request.principal, find);
      return { routers: found.map(routerBody) };
    });
    app.post('/routers', { schema: { tags: ROUTERS, body: schema.RouterCreate } }, async (request, reply) => {
      reply.code(201);
      return routerBody(await routers.create(request.principal, routerInput(request.body)));
    });
    app.get('/routers/:id', { schema: { tags: ROUTERS, params: schema.RouterParams } }, async (request) =>
      routerBody(await routers.get(request.principal, request.params.id as RouterId)),
    );
    app.put('/routers/:id', { schema: { tags: ROUTERS, params: schema.RouterParams, body: schema.RouterUpdate } }, async (request) =>
      routerBody(await routers.update(request.principal, request.params.id as RouterId, routerInput(request.body))),
    );
    app.delete('/routers/:id', { schema: { tags: ROUTERS, params: schema.RouterParams } }, async (request, reply) => {
      await routers.delete(request.principal, request.params.id as RouterId);
      return reply.code(204).send();
    });
    app.get('/routers/:id/expectations', { schema: { tags: ROUTERS, params: schema.RouterParams } }, async (request) => ({
      expectations: await expectations.list(request.principal, request.params.id as RouterId),
    }));

    app.get('/routers/:id/helpers', { schema: { tags: HELPERS, params: schema.RouterParams } }, async (request) => {
      await routers.get(request.principal, request.params.id as RouterId);
      return { helpers: (await helpers.list(request.principal, request.params.id as RouterId)).map(helperBody) };
    });
    app.post(
      '/routers/:id/helpers',
      { schema: { tags: HELPERS, params: schema.RouterParams, body: schema.HelperCreate } },
      async (request, reply) => {
        const { scope, expires_at, ...rest } = request.body;
        const input = { ...rest, scope: scope ? parseScope(scope) : null, expiresAt: expires_at };
        const [made] = await helpers.create(request.principal, request.params.id as RouterId, [input]);
        reply.code(201);
        return helperBody(made as ConntrackHelper);
      },
    );
    app.get('/routers/:id/helpers/:helper', { schema: { tags: HELPERS, params: schema.HelperParams } }, async (request) =>
      helperBody(await helpers.get(request.principal, request.params.id as RouterId, request.params.helper as HelperId)),
    );
    app.put(
      '/routers/:id/helpers/:helper',
      { schema: { tags: HELPERS, params: schema.HelperParams, body: schema.HelperUpdate } },
      async (request) => {
        const { scope, expires_at, ...rest } = request.body;
        const input = {
          ...rest,
          ...(scope === undefined ? {} : { scope: scope && parseScope(scope) }),
          ...(expires_at === undefined ? {} : { expiresAt: expires_at }),
        };
        return helperBody(await helpers.update(request.principal, request.params.id as RouterId, request.params.helper as HelperId, input));
      },
    );
    app.delete('/routers/:id/helpers/:helper', { schema: { tags: HELPERS, params: schema.HelperParams } }, async (request, reply) => {
      await helpers.delete(request.principal, request.params.id as RouterId, request.params.helper as HelperId);
      return reply.code(204).send();
    });

    app.get('/status', { schema: { tags: ['status'] } }, async (request) => ({
      routers: (await status.routers(request.principal)).map(statusBody),
    }));
    app.get('/status/:id', { schema: { tags: ['status'], params: schema.RouterParams } }, async (request) =>
      statusBody(await status.router(request.principal, request.params.id as RouterId)),
    );
    app.get('/agents', { schema: { tags: ['status'] } }, async () => ({
      agents: (await status.agents()).map(({ host, startedAt, seenAt, interval, alive, state }) => ({
        host,
        alive,
        started_at: startedAt,
        seen_at: seenAt,
        interval,
        state,
      })),
    }));
    app.get(
      '/expectations',
      { schema: { tags: ['status'], description: 'Follows live expectations: one JSON object a line.' } },
      async (request, reply) => {
        const stream = new PassThrough();
        const stop = await expectations.watch(request.principal, ({ at, routerId, change, expectation }) => {
          if (stream.writableLength > MAX_STREAM_BACKLOG) stream.destroy();
          else stream.write(`${JSON.stringify({ at, router_id: routerId, change, expectation })}\n`);
        });
        stream.on('close', stop);
        request.raw.on('close', () => stream.destroy());
        stream.write('\n');
        return reply.type('application/x-ndjson').send(stream);
      },
    );

    app.get('/tokens', { schema: { tags: TOKENS } }, async (request) => ({
      tokens: (await tokens.list(request.principal)).map(tokenBody),
    }));
    app.post('/tokens', { schema: { tags: TOKENS, body: schema.TokenCreate } }, async (request, reply) => {
      const { role, project_id = null, description = '', expires_at = null } = request.body;
      const { token, text } = await tokens.create(request.principal, { role, projectId: project_id, description, expiresAt: expires_at });
      reply.code(201);
      return { ...tokenBody(token), token: text };
    });
    app.delete('/tokens/:id', { schema: { tags: TOKENS, params: schema.TokenParams } }, async (request, reply) => {
      await tokens.revoke(request.principal, request.params.id);
      return reply.code(204).send();
    });
  };
}

/** A watcher that does not read is cut off. */
const MAX_STREAM_BACKLOG = 1024 * 1024;

interface RouterRequestBody {
  name?: string;
  project_id?: string;
  host?: string | null;
  netns?: string | null;
  confine?: boolean | { blocked_ports?: number[]; rate_per_second?: number };
}

function routerInput(body: RouterRequestBody) {
  return { name: body.name, projectId: body.project_id, host: body.host, netns: body.netns, confinement: confinement(body.confine) };
}

function confinement(value: RouterRequestBody['confine']) {
  if (value === undefined) return undefined;
  if (value === false) return null;
  const given = value === true ? {} : value;
  return {
    blockedPorts: given.blocked_ports ?? DEFAULT_CONFINEMENT.blockedPorts,
    ratePerSecond: given.rate_per_second ?? DEFAULT_CONFINEMENT.ratePerSecond,
  };
}

export function routerBody(router: Router) {
  const { confinement } = router;
  return {
    id: router.id,
    name: router.name,
    project_id: router.projectId,
    host: router.host,
    netns: router.netns,
    revision: router.revision,
    confine: confinement ? { blocked_ports: confinement.blockedPorts, rate_per_second: confinement.ratePerSecond } : false,
    created_at: router.createdAt,
    updated_at: router.updatedAt,
  };
}

function helperBody({ id, protocol, port, helper, scope, expiresAt }: ConntrackHelper) {
  return {
    id,
    protocol,
    port,
    helper,
    scope: scope && { source: scope.source, destination: scope.destination, in_interface: scope.inInterface },
    expires_at: expiresAt,
  };
}

function statusBody(view: RouterView) {
  return {
    router: routerBody(view.router),
    reason: view.reason,
    reported_at: view.reportedAt,
    reported_revision: view.reportedRevision,
    drifts: view.drifts,
    helpers: view.helpers.map(({ helper, families }: HelperView) => ({ ...helperBody(helper), families })),
  };
}

function tokenBody({ id, role, projectId, description, createdAt, expiresAt, revokedAt }: Token) {
  return { id, role, project_id: projectId, description, created_at: createdAt, expires_at: expiresAt, revoked_at: revokedAt };
}
