import type { FastifySchema, RouteOptions } from 'fastify';
import type { JsonSchema } from '../../contract/shape.ts';
import type { RoutePolicy } from '../access.ts';
import { namedSchemas, namesByText, withReferences } from './components.ts';
import { type ErrorSources, errorsOf } from './errors.ts';
import { NATIVE_OPERATIONS } from './native-operations.ts';
import { NEUTRON_OPERATIONS } from './neutron-operations.ts';
import type { Operation, Operations } from './operation.ts';
import { SYSTEM_OPERATIONS } from './system-operations.ts';

const OPERATIONS: Operations = { ...SYSTEM_OPERATIONS, ...NEUTRON_OPERATIONS, ...NATIVE_OPERATIONS };

type Json = Readonly<Record<string, unknown>>;
type Named = ReadonlyMap<string, string>;

/** What the document needs of a registered route. */
interface Route {
  readonly schema: FastifySchema | undefined;
  readonly url: string;
  readonly route: RouteOptions;
}

/** Phrases of the answers to errors, by status. */
const PHRASES: Readonly<Record<number, string>> = {
  400: 'The request is not valid.',
  401: 'The token is missing, or not valid.',
  403: 'The policy refuses it.',
  404: 'There is no such thing, or the caller may not see it.',
  409: 'It does not go with what is there.',
  410: 'Events after this number are not kept any more.',
  412: 'The resource has another revision than the request means.',
  413: 'The request is too large.',
  415: 'The body is not JSON.',
  422: 'The Idempotency-Key was used for a different request.',
  429: 'Too many requests. `Retry-After` says when to try again.',
  500: 'The server failed. Its log says why.',
  502: 'The agent failed.',
  503: 'It cannot be answered now. `Retry-After` says when to try again.',
  504: 'The agent did not answer in time.',
};

const RETRY_AFTER = { 'Retry-After': { description: 'seconds to wait', schema: { type: 'integer' } } };
const ETAG = { ETag: { description: 'the revision, for `If-Match`', schema: { type: 'string' }, example: '"3"' } };
const IF_MATCH = {
  name: 'If-Match',
  in: 'header',
  required: false,
  description: 'the ETag of the revision that is meant; `*` or none: any',
  schema: { type: 'string' },
  example: '"3"',
};
const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'a repeated request with the same key gets the same answer, and changes nothing',
  schema: { type: 'string', minLength: 1, maxLength: 128, pattern: '^[!-~]+$' },
  example: 'order-4711',
};

/** Options of @fastify/swagger that make it write Pinhole's document. @param version of Pinhole */
export function documentOptions(version: string) {
  const names = once(() => namesByText(namedSchemas()));
  const own = new Map<string, Json>();
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Pinhole',
        version,
        summary: 'Hands out conntrack helpers on Linux routers.',
        description: "Pinhole's own dialect is below `/v1`. Below `/v2.0` clients of OpenStack's Neutron work unchanged.",
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/', description: 'this server' }],
      components: { securitySchemes: SECURITY_SCHEMES },
      security: [{ bearer: [] }, { token: [] }],
      tags: TAGS,
    },
    convertConstToEnum: false,
    transform: ({ schema, url, route }: Route) => {
      if (route.method === 'HEAD') return { schema: { ...schema, hide: true }, url };
      for (const method of [route.method].flat()) own.set(keyOf(method, url), operationObject(operationOf(method, url), route, names()));
      return { schema: { ...schema }, url };
    },
    transformObject: (given: object) => complete((given as { openapiObject: Json }).openapiObject, own, names()),
  };
}

const SECURITY_SCHEMES = {
  bearer: { type: 'http', scheme: 'bearer', description: "A token of Pinhole's: `Authorization: Bearer ph_…`." },
  token: {
    type: 'apiKey',
    in: 'header',
    name: 'X-Auth-Token',
    description: "A token of Pinhole's or of Keystone's, as Neutron takes it.",
  },
} as const;

const TAGS = [
  { name: 'routers', description: 'Network namespaces in which helpers are assigned.' },
  { name: 'conntrack helpers', description: 'Helpers of routers.' },
  { name: 'status', description: 'What agents report, and what happens.' },
  { name: 'hosts', description: 'Machines with an agent.' },
  { name: 'manifests', description: 'Changes of many routers in one transaction.' },
  { name: 'tokens', description: 'Access of clients.' },
  { name: 'quotas', description: 'Limits of projects.' },
  { name: 'audit', description: 'Who changed what.' },
  { name: 'discovery', description: "What clients of Neutron's API ask first." },
  { name: 'operation', description: 'Health, metrics and this document.' },
];

function keyOf(method: string, url: string): string {
  return `${method} ${url.replace(/:(\w+)/g, '{$1}')}`;
}

/** @throws Error for a route that has no description */
function operationOf(method: string, url: string): Operation {
  const found = OPERATIONS[`${method} ${url}`];
  if (!found) throw new Error(`${method} ${url} is not described in src/api/openapi`);
  return found;
}

function operationObject(operation: Operation, { schema, url, config }: RouteOptions, names: Named): Json {
  const { id, summary, description, tag, media } = operation;
  const policy = config?.policy as RoutePolicy;
  const body = (schema?.body ?? operation.body) as JsonSchema | undefined;
  const hasInput = url.includes(':') || body !== undefined || schema?.querystring !== undefined || operation.query !== undefined;
  return {
    operationId: id,
    summary,
    description: [description, policyNote(policy)].filter(Boolean).join(' '),
    tags: tag === undefined ? schema?.tags : [tag],
    ...(policy === 'open' ? { security: [] } : {}),
    ...(body
      ? { requestBody: { required: true, content: content('application/json', withReferences(body, names), operation.request) } }
      : {}),
    responses: {
      ...success(operation, schema?.response as Readonly<Record<string, JsonSchema>> | undefined, { names, media }),
      ...failures(operation, url, { policy, hasInput, hasBody: body !== undefined }),
    },
  };
}

function policyNote(policy: RoutePolicy): string {
  if (policy === 'open') return 'Needs no token.';
  return policy === 'authenticated' ? 'Needs a token.' : `The policy rule \`${policy}\` decides.`;
}

function success(
  { status, result, answer, versioned, id }: Operation,
  declared: Readonly<Record<string, JsonSchema>> | undefined,
  { names, media = 'application/json' }: { names: Named; media: string | undefined },
): Json {
  const [[code, schema] = [String(status ?? 200), result]] = Object.entries(declared ?? {}) as [string, JsonSchema | undefined][];
  if (code === '204') return { 204: { description: 'Done.' } };
  const shown = schema ? withReferences(schema, names) : { type: 'string' };
  return {
    [code]: {
      description: id.startsWith('neutron') && code === '404' ? 'As Neutron answers.' : 'The answer.',
      ...(versioned ? { headers: ETAG } : {}),
      content: content(media, shown, answer),
    },
  };
}

function content(media: string, schema: unknown, example: unknown): Json {
  return { [media]: { schema, ...(example === undefined ? {} : { examples: { usual: { summary: 'As usual', value: example } } }) } };
}

function failures(operation: Operation, url: string, sources: ErrorSources): Json {
  const isNeutron = url.startsWith('/v2.0');
  const taken = String(operation.status);
  const answers = [...errorsOf(operation, sources)].filter(([status]) => String(status) !== taken);
  return Object.fromEntries(
    answers.map(([status, codes]) => [
      status,
      {
        description: `${PHRASES[status]} Codes: ${codes.map((code) => `\`${code}\``).join(', ')}.`,
        ...(status === 429 || status === 503 ? { headers: RETRY_AFTER } : {}),
        content: content(
          'application/json',
          errorSchema(operation, status, isNeutron),
          errorExample(codes[0] ?? 'internal', status, isNeutron),
        ),
      },
    ]),
  );
}

function errorSchema({ id }: Operation, status: number, isNeutron: boolean): Json {
  const error = { $ref: `#/components/schemas/${isNeutron ? 'NeutronError' : 'Error'}` };
  const isHealth = status === 503 && ['getReadiness', 'getHealth'].includes(id);
  return isHealth ? { anyOf: [error, { $ref: '#/components/schemas/Unavailable' }] } : error;
}

function errorExample(code: string, status: number, isNeutron: boolean): Json {
  const message = PHRASES[status] ?? '';
  return isNeutron ? { NeutronError: { type: 'HTTPError', message, detail: '' } } : { error: { code, message, details: {} } };
}

/** Returns the document: the parameters that @fastify/swagger found, and all else as this module has it. */
function complete(found: Json, own: ReadonlyMap<string, Json>, names: Named): Json {
  const paths = Object.entries(found['paths'] as Readonly<Record<string, Readonly<Record<string, Json>>>>).map(([url, methods]) => [
    url,
    Object.fromEntries(
      Object.entries(methods).map(([method, { parameters = [] }]) => {
        const operation = own.get(`${method.toUpperCase()} ${url}`) ?? {};
        return [method, { ...operation, ...withParameters(method, url, parameters as Json[]) }];
      }),
    ),
  ]);
  const schemas = Object.entries(namedSchemas()).map(([name, schema]) => [name, withReferences(schema, names, true)]);
  return {
    ...found,
    paths: Object.fromEntries(paths),
    components: { schemas: Object.fromEntries(schemas), securitySchemes: SECURITY_SCHEMES },
  };
}

function withParameters(method: string, url: string, found: readonly Json[]): Json {
  const { query = {}, conditional, repeatable } = operationOf(method.toUpperCase(), url.replace(/\{(\w+)\}/g, ':$1'));
  const inPath = [...url.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
  const known = new Set(found.map(({ name }) => name));
  const parameters = [
    ...inPath.filter((name) => !known.has(name)).map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
    ...found.map((one) => ({ description: `the \`${one['name']}\` of the path or query`, ...one })),
    ...Object.entries(query).map(([name, description]) => ({
      name,
      in: 'query',
      required: false,
      description,
      schema: { type: 'string' },
    })),
    ...(conditional ? [IF_MATCH] : []),
    ...(repeatable ? [IDEMPOTENCY_KEY] : []),
  ];
  return parameters.length > 0 ? { parameters } : {};
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
