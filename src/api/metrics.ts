import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import type { Metrics } from '../telemetry/metrics.ts';
import type { RoutePolicy } from './access.ts';

/** Who may read metrics: the rule that decides, and what asks it. */
export interface MetricsAccess {
  readonly policy: RoutePolicy;
  /** @throws Denied */
  authorise(request: FastifyRequest): void;
}

/** Answers `GET /metrics` in Prometheus's text format. */
export function metricsRoute(app: FastifyInstance, metrics: Metrics, { policy, authorise }: MetricsAccess): void {
  app.get('/metrics', { config: { policy } }, async (request, reply) => {
    authorise(request);
    reply.type(metrics.registry.contentType);
    return metrics.registry.metrics();
  });
}

/** Builds the listener of `metrics_listen`, which answers `/metrics` without a token and nothing else. */
export function createMetricsApp(metrics: Metrics): FastifyInstance {
  const app = fastify({ logger: false, forceCloseConnections: true });
  metricsRoute(app, metrics, { policy: 'open', authorise: () => undefined });
  return app;
}
