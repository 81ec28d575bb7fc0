import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { ConntrackHelper } from '../../contract/helper.ts';
import type { HelperId, RouterId } from '../../contract/primitives.ts';
import type { Router } from '../../contract/router.ts';
import { InvalidInput } from '../../model/errors.ts';
import type { Services } from '../services.ts';
import { BAD_REQUEST, helperForCreate, helperForUpdate, resources, routerInput } from './attributes.ts';
import { discoveryRoutes } from './discovery.ts';
import { neutronErrors } from './errors.ts';
import { refuseRevision, wantedRevision } from './if-match.ts';
import { fieldsOf, type ListQuery, listResponse, parseListQuery, selectFields } from './query.ts';
import { parametersOf, pathUrl, refuseBody } from './request.ts';

type HelperRequest = FastifyRequest<{ Params: { router: RouterId; id: HelperId } }>;
type RouterRequest = FastifyRequest<{ Params: { id: RouterId } }>;

const HELPER_ATTRIBUTES = ['id', 'protocol', 'port', 'helper'];
const ROUTER_FILTERS = [
  'id',
  'name',
  'description',
  'project_id',
  'tenant_id',
  'admin_state_up',
  'status',
  'host',
  'netns',
  'revision_number',
];
const ROUTER_SORT_KEYS = ['id', 'name', 'description', 'project_id', 'tenant_id', 'admin_state_up', 'status', 'host', 'netns'];
const ROUTERS = { tags: ['routers'] };
const HELPERS = { tags: ['conntrack helpers'] };

/** Options of the Neutron dialect. */
export interface NeutronOptions {
  /** Maximum number of items on a page; -1 for no maximum. */
  readonly paginationMaxLimit: number;
}

/** The Neutron dialect, below `/v2.0`: clients of OpenStack's API work unchanged. */
export function neutronRoutes(services: Services, options: NeutronOptions): FastifyPluginAsync {
  return async (app) => {
    neutronErrors(app);
    // attributes.ts validates bodies, in Neutron's order and with Neutron's messages.
    app.setValidatorCompiler(() => () => true);
    discoveryRoutes(app);
    routerRoutes(app, services, options);
    helperRoutes(app, services, options);
  };
}

function routerRoutes(app: FastifyInstance, { routers, helpers }: Services, { paginationMaxLimit: maxLimit }: NeutronOptions): void {
  const list = { collection: 'routers', filters: ROUTER_FILTERS, sortKeys: ROUTER_SORT_KEYS, maxLimit };
  const bodies = async (request: FastifyRequest, found: readonly Router[], fields: readonly string[] = []) => {
    const wanted = fields.length === 0 || fields.includes('conntrack_helpers');
    const byRouter = wanted ? await helpers.listOf(request.principal, found) : new Map();
    return found.map((router) => ({ ...routerBody(router), conntrack_helpers: (byRouter.get(router.id) ?? []).map(withoutId) }));
  };
  const detail = async (request: FastifyRequest, router: Router) => {
    const fields = fieldsOf(parametersOf(request));
    const [body] = await bodies(request, [router], fields);
    return { router: selectFields(body as object as Record<string, unknown>, fields) };
  };
  app.get('/routers', { schema: ROUTERS, config: { policy: 'get_router' } }, async (request: RouterRequest) => {
    const query = parseListQuery(parametersOf(request), list);
    const isPage = isPlainPage(query);
    const found = await routers.list(request.principal, isPage ? { ...(await pageOf(request, query)) } : pushedDown(query));
    return listResponse(await bodies(request, found, query.fields), query, { collection: 'routers', url: pathUrl(request), isPage });
  });
  /** The database cuts pages in the order of ids. An unknown marker counts as none. */
  const pageOf = async (request: FastifyRequest, { limit, marker }: ListQuery) => {
    const known = marker !== null && (await routers.list(request.principal, { ids: [marker] })).length > 0;
    return { limit: limit as number, ...(known ? { marker } : {}) };
  };
  app.post('/routers', { schema: ROUTERS, config: { policy: 'create_router' } }, async (request, reply) => {
    const { items } = resources(request.body, 'router', false);
    const router = await routers.create(request.principal, routerInput(items[0] ?? {}, 'create', request.principal));
    return reply.code(201).send(await detail(request, router));
  });
  app.get('/routers/:id', { schema: ROUTERS, config: { policy: 'get_router' } }, async (request: RouterRequest) => {
    return detail(request, await routers.get(request.principal, request.params.id));
  });
  app.put('/routers/:id', { schema: ROUTERS, config: { policy: 'update_router' } }, async (request: RouterRequest) => {
    const revision = wantedRevision(request);
    const { items } = resources(request.body, 'router', false);
    const input = routerInput(items[0] ?? {}, 'update', request.principal);
    return detail(request, await routers.update(request.principal, request.params.id, { input, revision }));
  });
  app.delete('/routers/:id', { schema: ROUTERS, config: { policy: 'delete_router' } }, async (request: RouterRequest, reply) => {
    const revision = wantedRevision(request);
    refuseBody(request);
    await routers.delete(request.principal, request.params.id, revision);
    return reply.code(204).send();
  });
}

function helperRoutes(app: FastifyInstance, { helpers }: Services, { paginationMaxLimit: maxLimit }: NeutronOptions): void {
  const path = '/routers/:router/conntrack_helpers';
  const list = { collection: 'conntrack_helpers', filters: HELPER_ATTRIBUTES, sortKeys: HELPER_ATTRIBUTES, maxLimit };
  app.get(path, { schema: HELPERS, config: { policy: 'get_router_conntrack_helper' } }, async (request: HelperRequest) => {
    const query = parseListQuery(parametersOf(request), list);
    const found = await helpers.list(request.principal, request.params.router);
    return listResponse(found.map(helperBody), query, { collection: 'conntrack_helpers', url: pathUrl(request) });
  });
  app.post(path, { schema: HELPERS, config: { policy: 'create_router_conntrack_helper' } }, async (request, reply) => {
    const { router } = (request as HelperRequest).params;
    refuseRevision(request);
    const { items, bulk } = resources(request.body, 'conntrack_helper', true);
    const inputs = items.map((item) => helperForCreate(item, request.principal));
    const made = await helpers.create(request.principal, router, inputs);
    reply.code(201);
    return bulk
      ? { conntrack_helpers: made.map((helper) => ({ id: helper.id, router_id: router, ...withoutId(helper) })) }
      : { conntrack_helper: helperBody(made[0] as ConntrackHelper) };
  });
  app.get(`${path}/:id`, { schema: HELPERS, config: { policy: 'get_router_conntrack_helper' } }, async (request: HelperRequest) => {
    const helper = await helpers.get(request.principal, request.params.router, request.params.id);
    return { conntrack_helper: selectFields(helperBody(helper), fieldsOf(parametersOf(request))) };
  });
  app.put(`${path}/:id`, { schema: HELPERS, config: { policy: 'update_router_conntrack_helper' } }, async (request: HelperRequest) => {
    refuseRevision(request);
    if (request.body === undefined) throw new InvalidInput(BAD_REQUEST, "Bad body request: Invalid format: b''.");
    const { items } = resources(request.body, 'conntrack_helper', false);
    const input = helperForUpdate(items[0] ?? {}, request.principal);
    const changed = await helpers.update(request.principal, request.params.router, request.params.id, { input });
    return { conntrack_helper: helperBody(changed) };
  });
  app.delete(
    `${path}/:id`,
    { schema: HELPERS, config: { policy: 'delete_router_conntrack_helper' } },
    async (request: HelperRequest, reply) => {
      refuseRevision(request);
      refuseBody(request);
      await helpers.delete(request.principal, request.params.router, request.params.id);
      return reply.code(204).send();
    },
  );
}

/** Whether the database can cut the page: in the order of ids, forwards, without filters. */
function isPlainPage({ filters, order, limit, reverse }: ListQuery): boolean {
  return limit !== null && filters.size === 0 && order.length === 0 && !reverse;
}

/** Returns the filters that the database applies. All filters are applied again to what it returns. */
function pushedDown({ filters }: ListQuery) {
  const [ids, names, hosts] = [filters.get('id'), filters.get('name'), filters.get('host')];
  const projects = filters.get('project_id') ?? filters.get('tenant_id');
  return {
    ...(ids ? { ids } : {}),
    ...(names ? { names } : {}),
    ...(hosts ? { hosts } : {}),
    ...(projects ? { projects } : {}),
  };
}

/** Returns exactly the four keys that Neutron returns. */
function helperBody({ id, protocol, port, helper }: ConntrackHelper) {
  return { id, protocol, port, helper };
}

function withoutId({ protocol, port, helper }: ConntrackHelper) {
  return { protocol, port, helper };
}

/**
 * Returns the attributes of a Neutron router. Those that Pinhole does not have are constants; `host` and `netns` are Pinhole's
 * additions.
 */
function routerBody(router: Router) {
  return {
    id: router.id,
    name: router.name,
    tenant_id: router.projectId,
    admin_state_up: true,
    status: 'ACTIVE',
    external_gateway_info: null,
    description: router.description,
    availability_zones: [],
    distributed: false,
    ha: false,
    availability_zone_hints: [],
    routes: [],
    flavor_id: null,
    tags: [],
    created_at: wholeSeconds(router.createdAt),
    updated_at: wholeSeconds(router.updatedAt),
    revision_number: router.revision,
    project_id: router.projectId,
    host: router.host,
    netns: router.netns,
  };
}

function wholeSeconds(time: string): string {
  return time.replace(/\.\d+Z$/, 'Z');
}
