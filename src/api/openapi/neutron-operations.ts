import { list, optional } from '../../contract/compounds.ts';
import { HELPER } from '../../contract/helper.ts';
import { NAME, PROJECT_ID, ROUTER_ID } from '../../contract/primitives.ts';
import { partial, record } from '../../contract/record.ts';
import { ROUTER } from '../../contract/router.ts';
import { BOOLEAN, json, literal, text } from '../../contract/scalars.ts';
import type { JsonSchema } from '../../contract/shape.ts';
import { EXAMPLES, NEW_HELPER } from './examples.ts';
import type { Operation, Operations } from './operation.ts';

const MANY = 1_000_000;
const MAX_BULK = 1_000;
const WORD = text({ max: 4_096, what: 'a text' });
const LINKS = list(record({ rel: WORD, href: WORD }), 2);
const NOTHING = list(json(0), 0);

const { id, protocol, port, helper } = HELPER.fields;
/** `fields` may leave attributes out. */
const HELPER_BODY = partial({ id, protocol, port, helper });
const { name, description, host, netns, revision, createdAt, updatedAt } = ROUTER.fields;
const ROUTER_BODY = partial({
  id: ROUTER_ID,
  name,
  tenantId: PROJECT_ID,
  adminStateUp: literal(true),
  status: literal('ACTIVE'),
  externalGatewayInfo: literal(null),
  description,
  availabilityZones: NOTHING,
  distributed: literal(false),
  ha: literal(false),
  availabilityZoneHints: NOTHING,
  routes: NOTHING,
  flavorId: literal(null),
  tags: NOTHING,
  createdAt,
  updatedAt,
  revisionNumber: revision,
  projectId: PROJECT_ID,
  host,
  netns,
  conntrackHelpers: list(record({ protocol, port, helper }), MANY),
});
const ROUTER_GIVEN = partial({ name: NAME, description, tenantId: PROJECT_ID, projectId: PROJECT_ID, host, netns, adminStateUp: BOOLEAN });
const ONE_HELPER = record({ conntrackHelper: HELPER_BODY });
const MANY_HELPERS = record({ conntrackHelpers: list(partial({ ...HELPER_BODY.fields, routerId: ROUTER_ID }), MAX_BULK) });
const NEW = { protocol, port, helper, projectId: optional(PROJECT_ID), tenantId: optional(PROJECT_ID) };
const NEW_ONE = record({ conntrackHelper: record(NEW) });
const NEW_MANY = record({ conntrackHelpers: list(record(NEW), MAX_BULK) });
const EXTENSION = record({ name: WORD, alias: WORD, description: WORD, updated: WORD, links: NOTHING });

const PAGED = {
  fields: 'only these attributes; may be repeated',
  sort_key: 'attributes to sort by; may be repeated',
  sort_dir: '`asc` or `desc`, one for each `sort_key`',
  limit: 'at most so many items; the answer then has links to other pages',
  marker: 'the id of the last item of the page before',
  page_reverse: '`True`: the page that ends before the marker',
};
const ROUTER_FILTERS = Object.fromEntries(
  ['id', 'name', 'description', 'project_id', 'tenant_id', 'admin_state_up', 'status', 'host', 'netns', 'revision_number'].map((one) => [
    one,
    'only routers with this value; may be repeated',
  ]),
);
const HELPER_FILTERS = Object.fromEntries(
  ['id', 'protocol', 'port', 'helper'].map((one) => [one, 'only helpers with this value; may be repeated']),
);
const FIELDS = { fields: PAGED.fields };

const { id: routerId, name: routerName, netns: routerNetns } = EXAMPLES.router;
const helperExample = { id: EXAMPLES.helper['id'], ...NEW_HELPER };
const routerExample = { id: routerId, name: routerName, netns: routerNetns, conntrack_helpers: [NEW_HELPER] };

const ROUTERS: Operations = {
  'GET /v2.0/routers': {
    id: 'neutronListRouters',
    summary: 'Lists routers',
    description: 'Returns the routers that the caller may see, with the filters, sorting and pages of Neutron.',
    query: { ...ROUTER_FILTERS, ...PAGED },
    result: record({ routers: list(ROUTER_BODY, MANY), routersLinks: optional(LINKS) }, { routersLinks: 'routers_links' }).schema(),
    answer: { routers: [routerExample] },
  },
  'POST /v2.0/routers': {
    id: 'neutronCreateRouter',
    summary: 'Creates a router',
    description: 'Creates one router. `host` and `netns` are additions of Pinhole.',
    errors: ['quota-exceeded', 'netns-in-use'],
    status: 201,
    body: record({ router: ROUTER_GIVEN }).schema(),
    result: record({ router: ROUTER_BODY }).schema(),
    request: { router: { name: 'branch-8', netns: 'branch-8' } },
    answer: { router: routerExample },
    repeatable: true,
  },
  'GET /v2.0/routers/:id': {
    id: 'neutronGetRouter',
    summary: 'Shows a router',
    description: 'Returns one router with its conntrack helpers.',
    errors: ['router-not-found'],
    query: FIELDS,
    result: record({ router: ROUTER_BODY }).schema(),
    answer: { router: routerExample },
  },
  'PUT /v2.0/routers/:id': {
    id: 'neutronUpdateRouter',
    summary: 'Changes a router',
    description: 'Changes the attributes that the body names. `If-Match` is Neutron’s: `revision_number=3`.',
    errors: ['router-not-found', 'quota-exceeded', 'netns-in-use', 'host-unavailable', 'revision-mismatch'],
    body: record({ router: ROUTER_GIVEN }).schema(),
    result: record({ router: ROUTER_BODY }).schema(),
    request: { router: { description: 'the branch in Berlin' } },
    answer: { router: routerExample },
  },
  'DELETE /v2.0/routers/:id': {
    id: 'neutronDeleteRouter',
    summary: 'Deletes a router',
    description: 'Deletes a router and its conntrack helpers.',
    errors: ['router-not-found', 'revision-mismatch'],
    status: 204,
  },
};

const PATH = '/v2.0/routers/:router/conntrack_helpers';
const REFUSED = ['helper-not-allowed', 'invalid-protocol-for-helper', 'duplicate-helper'] as const;
const HELPERS: Operations = {
  [`GET ${PATH}`]: {
    id: 'neutronListConntrackHelpers',
    summary: 'Lists conntrack helpers',
    description: 'Returns the conntrack helpers of one router, with the filters, sorting and pages of Neutron.',
    errors: ['router-not-found'],
    query: { ...HELPER_FILTERS, ...PAGED },
    result: record({ conntrackHelpers: list(HELPER_BODY, MANY), conntrackHelpersLinks: optional(LINKS) }).schema(),
    answer: { conntrack_helpers: [helperExample] },
  },
  [`POST ${PATH}`]: {
    id: 'neutronCreateConntrackHelper',
    summary: 'Creates conntrack helpers',
    description: 'Creates one conntrack helper, or up to 1,000 in one request. All of them are created, or none.',
    errors: ['router-not-found', 'quota-exceeded', ...REFUSED],
    status: 201,
    body: either(NEW_ONE.schema(), NEW_MANY.schema()),
    result: either(ONE_HELPER.schema(), MANY_HELPERS.schema()),
    request: { conntrack_helper: NEW_HELPER },
    answer: { conntrack_helper: helperExample },
    repeatable: true,
  },
  [`GET ${PATH}/:id`]: {
    id: 'neutronGetConntrackHelper',
    summary: 'Shows a conntrack helper',
    description: 'Returns one conntrack helper.',
    errors: ['router-not-found', 'helper-not-found'],
    query: FIELDS,
    result: ONE_HELPER.schema(),
    answer: { conntrack_helper: helperExample },
  },
  [`PUT ${PATH}/:id`]: {
    id: 'neutronUpdateConntrackHelper',
    summary: 'Changes a conntrack helper',
    description: 'Changes the attributes that the body names.',
    errors: ['router-not-found', 'helper-not-found', ...REFUSED],
    body: record({ conntrackHelper: partial(NEW) }).schema(),
    result: ONE_HELPER.schema(),
    request: { conntrack_helper: { port: 2121 } },
    answer: { conntrack_helper: { ...helperExample, port: 2121 } },
  },
  [`DELETE ${PATH}/:id`]: {
    id: 'neutronDeleteConntrackHelper',
    summary: 'Deletes a conntrack helper',
    description: 'Deletes one conntrack helper.',
    errors: ['router-not-found', 'helper-not-found'],
    status: 204,
  },
};

const EMPTY = ['networks', 'subnets', 'subnetpools', 'ports'];

function emptyCollection(collection: string): Operation {
  return {
    id: `neutronList${collection[0]?.toUpperCase()}${collection.slice(1)}`,
    summary: `Lists ${collection}: none`,
    description: `Pinhole has routers and no ${collection}. Clients that ask for them get an empty list.`,
    query: PAGED,
    result: record({ [collection]: NOTHING, [`${collection}_links`]: optional(LINKS) }).schema(),
    answer: { [collection]: [] },
  };
}

/** Neutron answers these methods with 404 too. */
function unsupported(method: string, on: 'extensions' | 'extension'): Operation {
  return {
    id: `neutron${method}${on === 'extensions' ? 'Extensions' : 'Extension'}`,
    summary: 'Is not supported',
    description: 'Answers 404, as Neutron does: extensions can only be read.',
    status: 404,
    result: WEBOB,
  };
}

const WEBOB = record({ message: WORD, code: WORD, title: WORD }).schema();
const extension = {
  name: 'Pagination support',
  alias: 'pagination',
  description: 'Pages',
  updated: '2016-06-12T00:00:00-00:00',
  links: [],
};
const METHODS = [
  ['POST', 'Create'],
  ['PUT', 'Update'],
  ['DELETE', 'Delete'],
] as const;

const DISCOVERY: Operations = {
  'GET /v2.0': {
    id: 'neutronListResources',
    summary: 'Lists collections',
    description: 'Returns the collections of the dialect with their links.',
    result: record({ resources: list(record({ name: WORD, collection: WORD, links: LINKS }), 100) }).schema(),
    answer: { resources: [] },
  },
  'GET /v2.0/extensions': {
    id: 'neutronListExtensions',
    summary: 'Lists extensions',
    description: "Returns the extensions of Neutron's API that Pinhole implements.",
    result: record({ extensions: list(EXTENSION, 100) }).schema(),
    answer: { extensions: [extension] },
  },
  'GET /v2.0/extensions/:alias': {
    id: 'neutronGetExtension',
    summary: 'Shows an extension',
    description: 'Returns one extension. An unknown one is answered in the format of webob, as Neutron does.',
    errors: ['not-found'],
    result: record({ extension: EXTENSION }).schema(),
    answer: { extension },
  },
  ...Object.fromEntries(EMPTY.map((collection) => [`GET /v2.0/${collection}`, emptyCollection(collection)])),
  ...Object.fromEntries(METHODS.map(([method, word]) => [`${method} /v2.0/extensions`, unsupported(word, 'extensions')])),
  ...Object.fromEntries(METHODS.map(([method, word]) => [`${method} /v2.0/extensions/:alias`, unsupported(word, 'extension')])),
};

/** The operations of the Neutron dialect. Its routes validate in Neutron's order and words; these bodies say what they accept. */
export const NEUTRON_OPERATIONS: Operations = { ...ROUTERS, ...HELPERS, ...DISCOVERY };

/** The answers of Neutron's dialect to errors. */
export const NEUTRON_ERROR: JsonSchema = either(
  record({ NeutronError: record({ type: WORD, message: WORD, detail: WORD }) }, { NeutronError: 'NeutronError' }).schema(),
  WEBOB,
  { type: 'object', required: ['error'], properties: { error: { type: 'object' } } },
  record({ message: WORD }).schema(),
);

function either(...choices: JsonSchema[]): JsonSchema {
  return { anyOf: choices };
}
