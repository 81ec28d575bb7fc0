import swagger from '@fastify/swagger';
import fastify, { type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify';
import type { Principal } from '../control/authorisation.ts';
import { errorToData, PinholeError } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { LATENCY_BUCKETS, type Metrics } from '../telemetry/metrics.ts';
import { requestId } from '../telemetry/request-id.ts';
import { asPinholeError, BODY_LIMIT, parseJsonStrictly, statusOf } from './errors.ts';
import { nativeRoutes } from './native/routes.ts';
import { neutronRoutes } from './neutron/routes.ts';
import type { Services } from './services.ts';

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal;
  }
}

export interface AppOptions {
  readonly services: Services;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly version: string;
  /** @throws when requests cannot be served now */
  readonly ready: () => Promise<void>;
}

const HEADER_LIMIT_BYTES = 16 * 1024;
const REQUEST_TIMEOUT_MS = 20_000;
const KEEP_ALIVE_MS = 65_000;

/** Paths that answer without a token. */
const OPEN = new Set(['/livez', '/readyz', '/metrics']);

export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: { maxHeaderSize: HEADER_LIMIT_BYTES },
    genReqId: (request) => requestId(request.headers['x-openstack-request-id']),
    requestIdHeader: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 256 },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allErrors: false } },
    logger: false,
  });
  await app.register(swagger, { openapi: { info: { title: 'Pinhole', version: options.version } } });
  parseJsonStrictly(app);
  app.decorateRequest('principal', null as unknown as Principal);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-openstack-request-id', request.id);
    if (!OPEN.has(request.routeOptions.url ?? '')) request.principal = await authenticate(options.services, request);
  });
  measure(app, options.metrics);
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const known = asPinholeError(error);
    if (known.code === 'internal') options.logger.error({ err: error, requestId: request.id }, 'a request failed');
    return reply.code(statusOf(known, error)).send({ error: errorToData(known) });
  });
  app.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .send({ error: errorToData(new PinholeError('not-found', `There is no ${request.method} ${request.url.split('?')[0]}.`)) }),
  );
  healthRoutes(app, options);
  await app.register(neutronRoutes(options.services), { prefix: '/v2.0' });
  await app.register(nativeRoutes(options.services), { prefix: '/v1' });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  return app;
}

async function authenticate(services: Services, request: FastifyRequest): Promise<Principal> {
  const own = request.headers['x-auth-token'];
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const text = typeof own === 'string' ? own : (bearer ?? '');
  return services.tokens.authenticate(text, request.id);
}

function healthRoutes(app: FastifyInstance, { metrics, ready }: AppOptions): void {
  app.get('/livez', { schema: { hide: true } }, async () => ({ status: 'ok' }));
  app.get('/readyz', { schema: { hide: true } }, async (_request, reply) => {
    try {
      await ready();
      return { status: 'ok' };
    } catch (error) {
      return reply.code(503).send({ status: 'unavailable', reason: errorToData(error).message });
    }
  });
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) => {
    reply.type(metrics.registry.contentType);
    return metrics.registry.metrics();
  });
}

function measure(app: FastifyInstance, metrics: Metrics): void {
  const duration = metrics.histogram('pinhole_http_request_seconds', 'Time to answer a request', {
    labels: ['method', 'route', 'status'],
    buckets: LATENCY_BUCKETS,
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    duration.observe({ method: request.method, route, status: String(reply.statusCode) }, reply.elapsedTime / 1000);
  });
}
