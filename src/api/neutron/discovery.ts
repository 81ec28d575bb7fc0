import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { EXTENSIONS } from './extensions.ts';
import { listResponse, parseListQuery } from './query.ts';
import { parametersOf, pathUrl } from './request.ts';

const DISCOVERY = { tags: ['discovery'] };

/**
 * Collections of Neutron's core API that clients query and that are empty here, because Pinhole has routers and no networks. Each
 * with the attributes that a filter may name.
 */
const EMPTY: Readonly<Record<string, readonly string[]>> = {
  networks: ['id', 'name', 'status', 'admin_state_up', 'tenant_id', 'project_id', 'shared', 'router:external', 'is_default'],
  subnets: ['id', 'name', 'network_id', 'ip_version', 'cidr', 'gateway_ip', 'tenant_id', 'project_id', 'enable_dhcp', 'subnetpool_id'],
  subnetpools: ['id', 'name', 'ip_version', 'default_prefixlen', 'shared', 'tenant_id', 'project_id', 'address_scope_id', 'is_default'],
  ports: ['id', 'name', 'network_id', 'device_id', 'device_owner', 'status', 'mac_address', 'fixed_ips', 'tenant_id', 'project_id'],
};

/** `GET /`: the API's versions. The route is open, as in Neutron, because clients ask before they have a token. */
export function versionRoute(app: FastifyInstance): void {
  app.get('/', { schema: DISCOVERY, config: { policy: 'open' } }, async (request) => ({
    versions: [{ id: 'v2.0', status: 'CURRENT', links: [{ rel: 'self', href: `${originOf(request)}/v2.0/` }] }],
  }));
}

/** Routes directly below `/v2.0/`: resources, extensions and the empty collections. */
export function discoveryRoutes(app: FastifyInstance): void {
  const any = { schema: DISCOVERY, config: { policy: 'authenticated' as const } };
  app.get('/', any, async (request) => ({
    resources: Object.keys(EMPTY).map((collection) => ({
      name: collection.slice(0, -1),
      collection,
      links: [{ rel: 'self', href: `${originOf(request)}/v2.0/${collection}` }],
    })),
  }));
  app.get('/extensions', any, async () => ({ extensions: EXTENSIONS }));
  app.get('/extensions/:alias', any, async (request, reply) => {
    const { alias } = request.params as { alias: string };
    const found = EXTENSIONS.find((candidate) => candidate.alias === alias);
    return found ? { extension: found } : webobNotFound(reply, `Extension with alias ${alias.slice(0, 255)} does not exist`);
  });
  for (const url of ['/extensions', '/extensions/:alias'])
    app.route({
      method: ['POST', 'PUT', 'DELETE'],
      url,
      ...any,
      handler: async (_request, reply) => webobNotFound(reply, 'Resource not found.'),
    });
  for (const [collection, filters] of Object.entries(EMPTY)) {
    app.get(`/${collection}`, any, async (request) => {
      const query = parseListQuery(parametersOf(request), { collection, filters, sortKeys: filters, maxLimit: -1 });
      return listResponse([], query, { collection, url: pathUrl(request) });
    });
  }
}

/** Neutron's extensions middleware answers in the format of webob, not as a NeutronError. */
function webobNotFound(reply: FastifyReply, detail: string): object {
  const escaped = detail.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  void reply.code(404);
  return { message: `The resource could not be found.<br /><br />\n${escaped}\n\n`, code: '404 Not Found', title: 'Not Found' };
}

function originOf(request: FastifyRequest): string {
  return `${request.protocol}://${request.host}`;
}
