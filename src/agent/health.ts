import { createServer, type Server, type ServerResponse } from 'node:http';
import { type Metrics, observe } from '../telemetry/metrics.ts';
import type { Agent } from './agent.ts';

const HELP: Readonly<Record<keyof Agent['counts'], string>> = {
  unchanged: 'Syncs that found namespace and generation unchanged',
  verified: 'Syncs that read the table and found it as desired',
  writes: 'Tables written',
  drifts: 'Changes by others that were repaired',
  failures: 'Syncs that failed',
  stripped: 'Live connections that lost a removed helper',
  routers: 'Routers of this host',
  queued: 'Routers and namespaces that wait for work',
  pulls: 'Questions asked of the server for what is declared',
  pullSeconds: 'Seconds that their answers took, together',
  kernelProcessUp: 'Whether the kernel process answers: 1, or 0',
  kernelProcessLosses: 'How often the kernel process was lost',
  verificationAgeSeconds: 'Seconds since every helper that is ACTIVE was verified in the kernel',
};

/** What this host's own tools ask: is it alive, is it ready, how much did it do, what became of each helper. */
export async function listenHealth(listen: { host: string; port: number }, agent: Agent, metrics: Metrics): Promise<Server> {
  registerCounts(metrics, agent);
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

function registerCounts(metrics: Metrics, agent: Agent): void {
  for (const [name, help] of Object.entries(HELP) as [keyof Agent['counts'], string][]) {
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    observe(metrics, { name: `pinhole_agent_${snake}`, help }, () => agent.counts[name]);
  }
}
