import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { ConntrackHelper, HelperId } from '../../model/conntrack-helper.ts';
import { PinholeError } from '../../model/errors.ts';
import type { Router, RouterId } from '../../model/router.ts';
import type { Services } from '../services.ts';
import { helperForCreate, helperForUpdate, resources, routerInput } from './attributes.ts';
import { neutronErrors } from './errors.ts';
import { listResponse } from './query.ts';

type HelperRequest = FastifyRequest<{ Params: { router: RouterId; id: HelperId }; Querystring: Record<string, string | string[]> }>;
type RouterRequest = FastifyRequest<{ Params: { id: RouterId }; Querystring: Record<string, string | string[]> }>;

const HELPER_ATTRIBUTES = ['id', 'protocol', 'port', 'helper'];
const ROUTER_ATTRIBUTES = ['id', 'name', 'project_id', 'tenant_id', 'host', 'netns', 'revision_number'];
const ROUTERS = { tags: ['routers'] };
const HELPERS = { tags: ['conntrack helpers'] };

/** The Neutron dialect, as in NEUTRON-API: clients of OpenStack's own API work unchanged. */
export function neutronRoutes(services: Services): FastifyPluginAsync {
  return async (app) => {
    neutronErrors(app);
    // Bodies are validated by attributes.ts, in Neutron's order and words.
    app.setValidatorCompiler(() => () => true);
    routerRoutes(app, services);
    helperRoutes(app, services);
  };
}

function routerRoutes(app: FastifyInstance, { routers, helpers }: Services): void {
  const detail = async (request: FastifyRequest, router: Router) => ({
    router: { ...routerBody(router), conntrack_helpers: (await helpers.list(request.principal, router.id)).map(withoutId) },
  });
  app.get('/routers', { schema: ROUTERS }, async (request: RouterRequest) => {
    const visible = await routers.list(request.principal);
    return listResponse(visible.map(routerBody), request.query, {
      collection: 'routers',
      attributes: ROUTER_ATTRIBUTES,
      url: urlOf(request),
    });
  });
  app.post('/routers', { schema: ROUTERS }, async (request, reply) => {
    const { items, bulk } = resources(request.body, 'router');
    if (bulk) throw new PinholeError('invalid-input', 'Bulk operation not supported');
    const router = await routers.create(request.principal, routerInput(items[0] ?? {}, 'create'));
    return reply.code(201).send(await detail(request, router));
  });
  app.get('/routers/:id', { schema: ROUTERS }, async (request: RouterRequest) => {
    return detail(request, await routers.get(request.principal, request.params.id));
  });
  app.put('/routers/:id', { schema: ROUTERS }, async (request: RouterRequest) => {
    const { items } = resources(request.body, 'router');
    return detail(request, await routers.update(request.principal, request.params.id, routerInput(items[0] ?? {}, 'update')));
  });
  app.delete('/routers/:id', { schema: ROUTERS }, async (request: RouterRequest, reply) => {
    refuseBody(request);
    await routers.delete(request.principal, request.params.id);
    return reply.code(204).send();
  });
}

function helperRoutes(app: FastifyInstance, { helpers }: Services): void {
  const path = '/routers/:router/conntrack_helpers';
  app.get(path, { schema: HELPERS }, async (request: HelperRequest) => {
    const found = await helpers.list(request.principal, request.params.router);
    return listResponse(found.map(helperBody), request.query, {
      collection: 'conntrack_helpers',
      attributes: HELPER_ATTRIBUTES,
      url: urlOf(request),
    });
  });
  app.post(path, { schema: HELPERS }, async (request, reply) => {
    const { router } = (request as HelperRequest).params;
    const { items, bulk } = resources(request.body, 'conntrack_helper');
    const inputs = items.map(helperForCreate);
    for (const { projectId } of inputs) checkProject(request, projectId);
    const made = await helpers.create(request.principal, router, inputs);
    reply.code(201);
    return bulk
      ? { conntrack_helpers: made.map((helper) => ({ id: helper.id, router_id: router, ...withoutId(helper) })) }
      : { conntrack_helper: helperBody(made[0] as ConntrackHelper) };
  });
  app.get(`${path}/:id`, { schema: HELPERS }, async (request: HelperRequest) => ({
    conntrack_helper: helperBody(await helpers.get(request.principal, request.params.router, request.params.id)),
  }));
  app.put(`${path}/:id`, { schema: HELPERS }, async (request: HelperRequest) => {
    const { items } = resources(request.body, 'conntrack_helper');
    const changed = await helpers.update(request.principal, request.params.router, request.params.id, helperForUpdate(items[0] ?? {}));
    return { conntrack_helper: helperBody(changed) };
  });
  app.delete(`${path}/:id`, { schema: HELPERS }, async (request: HelperRequest, reply) => {
    refuseBody(request);
    await helpers.delete(request.principal, request.params.router, request.params.id);
    return reply.code(204).send();
  });
}

/** Exactly Neutron's four keys. */
function helperBody({ id, protocol, port, helper }: ConntrackHelper) {
  return { id, protocol, port, helper };
}

function withoutId({ protocol, port, helper }: ConntrackHelper) {
  return { protocol, port, helper };
}

function routerBody(router: Router) {
  return {
    id: router.id,
    name: router.name,
    project_id: router.projectId,
    tenant_id: router.projectId,
    host: router.host,
    netns: router.netns,
    admin_state_up: true,
    status: 'ACTIVE',
    revision_number: router.revision,
    created_at: router.createdAt,
    updated_at: router.updatedAt,
  };
}

/** Another project than one's own may be named by admins only. */
function checkProject(request: FastifyRequest, projectId: string | undefined): void {
  const { role, projectId: own } = request.principal;
  if (projectId === undefined || projectId === own || role === 'admin') return;
  throw new PinholeError(
    'invalid-input',
    "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges",
  );
}

function refuseBody(request: FastifyRequest): void {
  if (request.body !== undefined && request.body !== null)
    throw new PinholeError('invalid-input', 'Request body is not supported in DELETE');
}

function urlOf(request: FastifyRequest): string {
  return `${request.protocol}://${request.host}${request.url.split('?')[0]}`;
}
