import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { AGENT } from '../../contract/agent.ts';
import { documented, list, nullable, optional } from '../../contract/compounds.ts';
import { ROUTER_DIAGNOSIS } from '../../contract/diagnosis.ts';
import { EXPECTATION, MAX_EXPECTATIONS } from '../../contract/expectation.ts';
import {
  type ConntrackHelper,
  HELPER,
  HELPER_ANSWER,
  HELPER_CREATE,
  HELPER_UPDATE,
  type HelperChange,
  type HelperInput,
} from '../../contract/helper.ts';
import { LIVE_PLAN } from '../../contract/plan.ts';
import { COUNT, type HelperId, MAX_HELPERS_PER_ROUTER, type RouterId } from '../../contract/primitives.ts';
import {
  CHANGE_QUERY,
  type ChangeQuery,
  DIAGNOSIS_QUERY,
  type DiagnosisQuery,
  HELPER_PARAMS,
  ROUTER_PARAMS,
  ROUTER_QUERY,
  type RouterQuery,
  STATUS_QUERY,
  type StatusQuery,
} from '../../contract/query.ts';
import { record } from '../../contract/record.ts';
import { ROUTER, ROUTER_INPUT, ROUTER_PATCH, type RouterInput, type RouterPatch } from '../../contract/router.ts';
import { isSelected } from '../../contract/selector.ts';
import { ROUTER_STATUS } from '../../contract/status.ts';
import type { Identity } from '../../control/identity/interface.ts';
import type { RouterView } from '../../control/status.ts';
import { InvalidInput } from '../../model/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { readByContract, schemaOf } from '../contract.ts';
import type { Services } from '../services.ts';
import { adminRoutes } from './admin-routes.ts';
import { hostRoutes } from './host-routes.ts';
import { manifestRoutes } from './manifest-routes.ts';
import { streamRoutes } from './streams.ts';

const ROUTERS = ['routers'];
const HELPERS = ['conntrack helpers'];
const MANY = 1_000_000;

/** Only in answers to requests with a `limit`. */
const NEXT = optional(documented(nullable(ROUTER.fields.id), 'the marker of the next page; null after the last one'));
const ROUTER_LIST = record({ routers: list(ROUTER, MANY), next: NEXT });
const HELPER_LIST = record({ helpers: list(HELPER, MAX_HELPERS_PER_ROUTER) });
const STATUS_LIST = record({ routers: list(ROUTER_STATUS, MANY), next: NEXT });
const AGENT_LIST = record({ agents: list(AGENT, MANY) });
const EXPECTATION_LIST = record({ expectations: list(EXPECTATION, MAX_EXPECTATIONS) });
const REAPPLIED = record({ connections: COUNT });

interface OneRouter {
  Params: { id: RouterId };
}
interface OneHelper {
  Params: { id: RouterId; helper: HelperId };
}

/**
 * Pinhole's own dialect, below `/v1`: everything for which Neutron's bodies have no place. Requests and answers follow the shapes
 * of `src/contract`.
 */
export function nativeRoutes(services: Services, identity: Identity, clock: Clock): FastifyPluginAsync {
  return async (app) => {
    readByContract(app);
    await app.register(routerRoutes(services));
    await app.register(helperRoutes(services));
    await app.register(statusRoutes(services));
    await app.register(hostRoutes(services));
    await app.register(streamRoutes(services, identity, clock));
    await app.register(manifestRoutes(services));
    await app.register(adminRoutes(services));
  };
}

function routerRoutes({ routers, live, expectations }: Services): FastifyPluginAsync {
  return async (app) => {
    const one = { tags: ROUTERS, params: schemaOf(ROUTER_PARAMS) };
    const shown = schemaOf(ROUTER);
    app.get<{ Querystring: RouterQuery }>(
      '/routers',
      {
        schema: { tags: ROUTERS, querystring: schemaOf(ROUTER_QUERY), response: { 200: schemaOf(ROUTER_LIST) } },
        config: { policy: 'get_router' },
      },
      async ({ principal, query: { find, selector = [], limit, marker } }) => {
        if (find === undefined && limit !== undefined) return ROUTER_LIST.write(await routers.page(principal, selector, { limit, marker }));
        const found = find === undefined ? await routers.list(principal) : await routers.find(principal, find);
        return ROUTER_LIST.write({ routers: found.filter(({ labels }) => isSelected(labels, selector)) });
      },
    );
    app.post<{ Body: RouterInput }>(
      '/routers',
      { schema: { tags: ROUTERS, body: schemaOf(ROUTER_INPUT), response: { 201: shown } }, config: { policy: 'create_router' } },
      async (request, reply) => {
        const made = await routers.create(request.principal, request.body);
        return withEtag(reply.code(201), made.revision).send(ROUTER.write(made));
      },
    );
    app.get<OneRouter>(
      '/routers/:id',
      { schema: { ...one, response: { 200: shown } }, config: { policy: 'get_router' } },
      async (request, reply) => {
        const found = await routers.get(request.principal, request.params.id);
        return withEtag(reply, found.revision).send(ROUTER.write(found));
      },
    );
    app.put<OneRouter & { Body: RouterInput; Querystring: ChangeQuery }>(
      '/routers/:id',
      {
        schema: { ...one, querystring: schemaOf(CHANGE_QUERY), body: schemaOf(ROUTER_INPUT), response: { 200: shown } },
        config: { policy: 'update_router' },
      },
      async (request, reply) => {
        const change = { input: request.body, revision: ifMatch(request), force: request.query.force };
        const changed = await routers.update(request.principal, request.params.id, change);
        return withEtag(reply, changed.revision).send(ROUTER.write(changed));
      },
    );
    app.patch<OneRouter & { Body: RouterPatch; Querystring: ChangeQuery }>(
      '/routers/:id',
      {
        schema: {
          ...one,
          querystring: schemaOf(CHANGE_QUERY),
          body: schemaOf(ROUTER_PATCH),
          response: { 200: shown },
        },
        config: { policy: 'update_router' },
      },
      async (request, reply) => {
        const { labels, ...input } = request.body;
        const changed = await routers.update(request.principal, request.params.id, {
          input,
          labels,
          revision: ifMatch(request),
          force: request.query.force,
        });
        return withEtag(reply, changed.revision).send(ROUTER.write(changed));
      },
    );
    app.delete<OneRouter>('/routers/:id', { schema: one, config: { policy: 'delete_router' } }, async (request, reply) => {
      await routers.delete(request.principal, request.params.id, ifMatch(request));
      return reply.code(204).send();
    });
    app.get<OneRouter>(
      '/routers/:id/expectations',
      { schema: { ...one, response: { 200: schemaOf(EXPECTATION_LIST) } }, config: { policy: 'get_router_expectations' } },
      async ({ principal, params }) => EXPECTATION_LIST.write({ expectations: await expectations.list(principal, params.id) }),
    );
    app.get<OneRouter>(
      '/routers/:id/plan',
      { schema: { ...one, response: { 200: schemaOf(LIVE_PLAN) } }, config: { policy: 'get_router_plan' } },
      async ({ principal, params }) => LIVE_PLAN.write(await live.plan(principal, params.id)),
    );
    app.get<OneRouter & { Querystring: DiagnosisQuery }>(
      '/routers/:id/diagnosis',
      {
        schema: { ...one, querystring: schemaOf(DIAGNOSIS_QUERY), response: { 200: schemaOf(ROUTER_DIAGNOSIS) } },
        config: { policy: 'get_router_diagnosis' },
      },
      async ({ principal, params, query: { from = null, to = null } }) =>
        ROUTER_DIAGNOSIS.write(await live.diagnose(principal, params.id, { from, to })),
    );
  };
}

function helperRoutes({ routers, helpers, live }: Services): FastifyPluginAsync {
  return async (app) => {
    const all = { tags: HELPERS, params: schemaOf(ROUTER_PARAMS) };
    const one = { tags: HELPERS, params: schemaOf(HELPER_PARAMS) };
    const shown = schemaOf(HELPER);
    const answered = schemaOf(HELPER_ANSWER);
    const answer = async ({ principal }: FastifyRequest, helper: ConntrackHelper) =>
      HELPER_ANSWER.write({ ...helper, warnings: await helpers.warnings(principal, helper) });
    // Neutron's answers reveal which routers and helpers exist in other projects. This dialect reveals nothing.
    app.addHook('preHandler', async (request) => {
      await routers.get(request.principal, (request.params as OneRouter['Params']).id);
    });
    app.get<OneRouter>(
      '/routers/:id/helpers',
      { schema: { ...all, response: { 200: schemaOf(HELPER_LIST) } }, config: { policy: 'get_router_conntrack_helper' } },
      async ({ principal, params }) => HELPER_LIST.write({ helpers: await helpers.list(principal, params.id) }),
    );
    app.post<OneRouter & { Body: HelperInput }>(
      '/routers/:id/helpers',
      {
        schema: { ...all, body: schemaOf(HELPER_CREATE), response: { 201: answered } },
        config: { policy: 'create_router_conntrack_helper' },
      },
      async (request, reply) => {
        const [made] = (await helpers.create(request.principal, request.params.id, [request.body])) as [ConntrackHelper];
        return withEtag(reply.code(201), made.revision).send(await answer(request, made));
      },
    );
    app.get<OneHelper>(
      '/routers/:id/helpers/:helper',
      { schema: { ...one, response: { 200: shown } }, config: { policy: 'get_router_conntrack_helper' } },
      async (request, reply) => {
        const found = await helpers.get(request.principal, request.params.id, request.params.helper);
        return withEtag(reply, found.revision).send(HELPER.write(found));
      },
    );
    app.put<OneHelper & { Body: HelperChange }>(
      '/routers/:id/helpers/:helper',
      {
        schema: { ...one, body: schemaOf(HELPER_UPDATE), response: { 200: answered } },
        config: { policy: 'update_router_conntrack_helper' },
      },
      async (request, reply) => {
        const { id, helper } = request.params;
        const changed = await helpers.update(request.principal, id, helper, { input: request.body, revision: ifMatch(request) });
        return withEtag(reply, changed.revision).send(await answer(request, changed));
      },
    );
    app.delete<OneHelper>(
      '/routers/:id/helpers/:helper',
      { schema: one, config: { policy: 'delete_router_conntrack_helper' } },
      async (request, reply) => {
        await helpers.delete(request.principal, request.params.id, request.params.helper, ifMatch(request));
        return reply.code(204).send();
      },
    );
    app.post<OneHelper>(
      '/routers/:id/helpers/:helper/reapply',
      {
        schema: {
          ...one,
          response: { 200: schemaOf(REAPPLIED) },
        },
        config: { policy: 'reapply_router_conntrack_helper' },
      },
      async ({ principal, params }) => REAPPLIED.write({ connections: await live.reapply(principal, params.id, params.helper) }),
    );
  };
}

function statusRoutes({ status }: Services): FastifyPluginAsync {
  return async (app) => {
    const tags = ['status'];
    app.get<{ Querystring: StatusQuery }>(
      '/status',
      {
        schema: { tags, querystring: schemaOf(STATUS_QUERY), response: { 200: schemaOf(STATUS_LIST) } },
        config: { policy: 'get_router_status' },
      },
      async ({ principal, query: { selector, limit, marker } }) => {
        if (limit === undefined) return STATUS_LIST.write({ routers: (await status.routers(principal, selector)).map(shownStatus) });
        const { routers, next } = await status.page(principal, selector ?? [], { limit, marker });
        return STATUS_LIST.write({ routers: routers.map(shownStatus), next });
      },
    );
    app.get<OneRouter>(
      '/status/:id',
      {
        schema: { tags, params: schemaOf(ROUTER_PARAMS), response: { 200: schemaOf(ROUTER_STATUS) } },
        config: { policy: 'get_router_status' },
      },
      async ({ principal, params }) => ROUTER_STATUS.write(shownStatus(await status.router(principal, params.id))),
    );
    app.get(
      '/agents',
      { schema: { tags, response: { 200: schemaOf(AGENT_LIST) } }, config: { policy: 'get_agent' } },
      async ({ principal }) => AGENT_LIST.write({ agents: await status.agents(principal) }),
    );
  };
}

function shownStatus({ helpers, ...view }: RouterView) {
  return { ...view, helpers: helpers.map(({ helper, families }) => ({ ...helper, families })) };
}

function withEtag(reply: FastifyReply, revision: number): FastifyReply {
  return reply.header('etag', `"${revision}"`);
}

/**
 * Returns the revision in `If-Match: "N"`; undefined for `*` and without the header, which match any revision.
 * @throws InvalidInput for any other value
 */
function ifMatch(request: FastifyRequest): number | undefined {
  const header = request.headers['if-match'];
  if (header === undefined || header === '*') return undefined;
  const [, revision] = /^"(\d{1,15})"$/.exec(header) ?? [];
  if (revision === undefined)
    throw new InvalidInput('if-match', 'Invalid input for If-Match. It is an ETag of an earlier answer, like "3".');
  return Number(revision);
}
