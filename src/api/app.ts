import type { SecureContextOptions } from 'node:tls';
import swagger, { type SwaggerOptions } from '@fastify/swagger';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Identity } from '../control/identity/interface.ts';
import type { Principal } from '../control/principal.ts';
import { ERROR_CODES, errorToData, PinholeError } from '../model/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { LATENCY_BUCKETS, type Metrics } from '../telemetry/metrics.ts';
import { guardRoutes, type RouteAccess } from './access.ts';
import { boundArrivals, shareConcurrency } from './concurrency.ts';
import { markSignedIn, shareConnections } from './connections.ts';
import { asPinholeError, BODY_LIMIT, parseJsonStrictly, statusOf } from './errors.ts';
import { requireHost } from './host-header.ts';
import { metricsRoute } from './metrics.ts';
import { nativeRoutes } from './native/routes.ts';
import { versionRoute } from './neutron/discovery.ts';
import { withoutJsonSuffix } from './neutron/request.ts';
import { neutronRoutes } from './neutron/routes.ts';
import { documentOptions } from './openapi/document.ts';
import { documentRoutes } from './openapi/routes.ts';
import { RateLimits, type RateOptions } from './rate-limits.ts';
import { requestId } from './request-id.ts';
import type { Services } from './services.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Logs an error that is Pinhole's own failure, and sets `Retry-After` if the time to wait is known. */
    logFailure(error: Error, request: FastifyRequest, reply: FastifyReply): void;
    /** Every route with the rule that decides about it. */
    routeAccess: readonly RouteAccess[];
  }
}

/** Limits that keep one client from using up the server. */
export interface ApiLimits extends RateOptions {
  /** Maximum number of requests that are worked on at the same time. */
  readonly concurrency: number;
  /** Maximum number of open connections. */
  readonly connections: number;
  /** Maximum number of open connections of one address. */
  readonly connectionsPerAddress: number;
  /** Seconds after which a request that has not arrived completely is aborted. */
  readonly requestSeconds: number;
  /** Maximum number of items on a page of Neutron's dialect; -1 for no maximum. */
  readonly paginationMaxLimit: number;
}

/** PEM texts of the listener's certificate and key, and of the authority for client certificates. */
export type TlsOptions = Pick<SecureContextOptions, 'cert' | 'key' | 'ca'> & {
  /** Whether a client must present a certificate that `ca` issued. */
  readonly requireClientCertificate: boolean;
};

/** Parts from which the API is made. `tls` is null for plain HTTP. */
export interface AppOptions {
  readonly services: Services;
  readonly identity: Identity;
  /** Whether the reserves for admins are a principal's to use. */
  readonly isAdmin: (principal: Principal) => boolean;
  readonly limits: ApiLimits;
  readonly tls: TlsOptions | null;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly version: string;
  /** Resolves if requests can be served. @throws Error with the reason if they cannot */
  readonly ready: () => Promise<void>;
  /** What else `/readyz` asks: resolves if the helpers of this host are looked after too. @throws PinholeError that says why not */
  readonly hostReady: () => Promise<void>;
  /** Names to which requests have to be addressed; null: any. */
  readonly hostNames: ReadonlySet<string> | null;
}

const HEADER_LIMIT_BYTES = 16 * 1024;
const KEEP_ALIVE_MS = 65_000;

/**
 * Builds the HTTP API with both dialects, without listening yet. Order matters: `onRequest` hooks run as they were added, so that
 * bounds for those who have not signed in come first, then authentication, then shares and everything else.
 * @throws Error for a route without a policy
 */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { limits, services, identity, clock } = options;
  const app = createFastify(options);
  await app.register(swagger, documentOptions(options.version) as SwaggerOptions);
  parseJsonStrictly(app);
  shareConnections(app, limits);
  boundArrivals(app, limits.concurrency);
  if (options.hostNames) requireHost(app, options.hostNames);
  app.decorate('routeAccess', guardRoutes(app, { identity, rates: new RateLimits(limits, clock) }));
  markSignedIn(app);
  shareConcurrency(app, { max: limits.concurrency, isAdmin: options.isAdmin });
  measure(app, options.metrics);
  handleErrors(app, options);
  healthRoutes(app, options);
  metricsRoute(app, options.metrics, {
    policy: 'get_metrics',
    authorise: ({ principal }) => services.metricsAccess(principal),
  });
  versionRoute(app);
  await app.register(neutronRoutes(services, limits), { prefix: '/v2.0' });
  await app.register(nativeRoutes(services, identity, clock), { prefix: '/v1' });
  documentRoutes(app);
  return app;
}

/** Fastify with its limits set, and without its own logger, validation of types by coercion, or removal of unknown fields. */
function createFastify({ limits, tls }: AppOptions): FastifyInstance {
  const requestTimeout = limits.requestSeconds * 1000;
  const http = {
    maxHeaderSize: HEADER_LIMIT_BYTES,
    headersTimeout: requestTimeout,
    connectionsCheckingInterval: Math.min(5_000, requestTimeout / 2),
  };
  const shared = {
    bodyLimit: BODY_LIMIT,
    requestTimeout,
    keepAliveTimeout: KEEP_ALIVE_MS,
    genReqId: (request: { headers: Record<string, unknown> }) => requestId(request.headers['x-openstack-request-id']),
    requestIdHeader: false as const,
    rewriteUrl: (request: { url?: string | undefined }) => withoutJsonSuffix(request.url ?? '/'),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 256 },
    ajv: { customOptions: { coerceTypes: false as const, removeAdditional: false as const, allErrors: false } },
    logger: false as const,
  };
  if (!tls) return fastify({ ...shared, http });
  const { requireClientCertificate, ...context } = tls;
  const requested = { requestCert: context.ca !== undefined, rejectUnauthorized: requireClientCertificate };
  const https = { ...http, ...context, ...requested, minVersion: 'TLSv1.2' as const, handshakeTimeout: requestTimeout };
  return fastify({ ...shared, https }) as unknown as FastifyInstance;
}

function handleErrors(app: FastifyInstance, { logger, metrics }: AppOptions): void {
  const refused = metrics.counter('pinhole_http_refused_requests_total', 'Requests that got an error, by its code', ['code']);
  // A series that begins with its first error shows no rise.
  for (const code of Object.keys(ERROR_CODES)) refused.inc({ code }, 0);
  app.decorate('logFailure', (error: Error, request: FastifyRequest, reply: FastifyReply) => {
    const known = asPinholeError(error);
    refused.inc({ code: known.code });
    if (known.code === 'internal') logger.error({ err: error, requestId: request.id }, 'a request failed');
    if (known.code === 'store-unavailable')
      logger.warn({ err: error, requestId: request.id }, 'the database did not take or answer a request');
    const retryAfter = known.details.retryAfter ?? (statusOf(known, error) === 503 ? 1 : undefined);
    if (retryAfter !== undefined) void reply.header('retry-after', String(retryAfter));
    // The body was not read, so the connection cannot carry another request.
    if (known.code === 'overloaded' || known.code === 'too-large') void reply.header('connection', 'close');
  });
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const known = asPinholeError(error);
    app.logFailure(error, request, reply);
    return reply.code(statusOf(known, error)).send({ error: errorToData(known) });
  });
  app.setNotFoundHandler((request, reply) => {
    const neutron = { NeutronError: { type: 'HTTPNotFound', message: 'The resource could not be found.', detail: '' } };
    const path = (request.url.split('?')[0] ?? '').slice(0, 255);
    const own = { error: errorToData(new PinholeError('not-found', `There is no ${request.method} ${path}.`)) };
    return reply.code(404).send(request.url.startsWith('/v2.0/') ? neutron : own);
  });
}

function healthRoutes(app: FastifyInstance, { ready, hostReady }: AppOptions): void {
  const open = { config: { policy: 'open' as const } };
  app.get('/livez', open, async () => ({ status: 'ok' }));
  const readiness = (ask: () => Promise<void>) => async (_request: FastifyRequest, reply: FastifyReply) => {
    try {
      await ask();
      return { status: 'ok' };
    } catch (error) {
      return reply.code(503).send({ status: 'unavailable', reason: errorToData(error).message });
    }
  };
  app.get(
    '/readyz',
    open,
    readiness(async () => {
      await ready();
      await hostReady();
    }),
  );
  // The path that load balancers of OpenStack clouds check (oslo.middleware): whether this server can take requests.
  app.get('/healthcheck', open, readiness(ready));
}

function measure(app: FastifyInstance, metrics: Metrics): void {
  const duration = metrics.histogram('pinhole_http_request_duration_seconds', 'Time to answer a request', {
    labels: ['method', 'route', 'status'],
    buckets: LATENCY_BUCKETS,
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    duration.observe({ method: request.method, route, status: String(reply.statusCode) }, reply.elapsedTime / 1000);
  });
}
