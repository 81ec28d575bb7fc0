import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Agent } from './agent.ts';
import { registerAgentMetrics } from './agent-metrics.ts';

/** What this host's own tools ask: is it alive, is it ready, how much did it do, what became of each helper. */
export async function listenHealth(listen: { host: string; port: number }, agent: Agent, metrics: Metrics): Promise<Server> {
  registerAgentMetrics(metrics, agent);
  const server = createServer((request, response) => {
    switch (request.url) {
      case '/livez':
        return answer(response, 200, { status: 'ok' });
      case '/readyz':
        return answer(response, agent.unreadiness === null ? 200 : 503, {
          status: agent.unreadiness === null ? 'ok' : 'unavailable',
          ...(agent.unreadiness === null ? {} : { reason: agent.unreadiness }),
          settled: agent.isSettled,
          ...agent.counts,
        });
      case '/status':
        return answer(response, 200, agent.status());
      case '/metrics':
        return metrics.registry
          .metrics()
          .then((text) => response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text));
      default:
        return answer(response, 404, {
          error: { code: 'not-found', message: 'There is only /livez, /readyz, /status and /metrics here.' },
        });
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, resolve);
  });
  return server;
}

function answer(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
