import { createServer, type Server } from 'node:http';
import { Agent } from './agent/agent.ts';
import { LocalBusClient } from './bus/local.ts';
import { type Config, paths } from './config/config.ts';
import { RemoteKernel } from './kernel/remote.ts';
import { createLogger } from './telemetry/log.ts';
import { createMetrics, type Metrics } from './telemetry/metrics.ts';
import { VERSION } from './version.ts';

/** The agent process of one host: no capability of its own; the kernel is another process's. */
export async function startHostAgent(config: Config): Promise<{ close(): Promise<void> }> {
  const logger = createLogger('agent', config.logLevel);
  const files = paths(config);
  const kernel = new RemoteKernel({ path: files.kernelSocket, logger });
  const bus = new LocalBusClient(files.busSocket, logger);
  const agent = new Agent({
    host: config.host,
    version: VERSION,
    kernel,
    bus,
    logger,
    statePath: files.agentState,
    resyncSeconds: config.agent.resyncSeconds,
    reportSeconds: config.agent.reportSeconds,
    firstPullSeconds: config.agent.firstPullSeconds,
    maxStateAgeSeconds: config.agent.maxStateAgeSeconds,
    keepLive: config.agent.keepLive,
  });
  agent.start();
  const metrics = createMetrics();
  registerCounts(metrics, agent);
  const health = await listenHealth(config, agent, metrics);
  logger.info({ host: config.host, version: VERSION }, 'agent is running');
  return {
    close: async () => {
      health.closeAllConnections();
      await new Promise<void>((resolve) => health.close(() => resolve()));
      await agent.close();
      await bus.close();
      await kernel.close();
    },
  };
}

const HELP: Readonly<Record<keyof Agent['counts'], string>> = {
  unchanged: 'Syncs that found namespace and generation unchanged',
  verified: 'Syncs that read the table and found it as desired',
  writes: 'Tables written',
  drifts: 'Changes by others that were repaired',
  failures: 'Syncs that failed',
  stripped: 'Live connections that lost a removed helper',
  routers: 'Routers of this host',
  queued: 'Routers and namespaces that wait for work',
};

function registerCounts(metrics: Metrics, agent: Agent): void {
  for (const [name, help] of Object.entries(HELP) as [keyof Agent['counts'], string][]) {
    const gauge = metrics.gauge(`pinhole_agent_${name}`, help);
    Object.assign(gauge, { collect: () => gauge.set(agent.counts[name]) });
  }
}

async function listenHealth(config: Config, agent: Agent, metrics: Metrics): Promise<Server> {
  const server = createServer((request, response) => {
    const answer = (code: number, body: object) =>
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    switch (request.url) {
      case '/livez':
        return answer(200, { status: 'ok' });
      case '/readyz':
        return answer(agent.isReady ? 200 : 503, {
          status: agent.isReady ? 'ok' : 'unavailable',
          settled: agent.isSettled,
          ...agent.counts,
        });
      case '/metrics':
        return metrics.registry
          .metrics()
          .then((text) => response.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text));
      default:
        return answer(404, { error: { code: 'not-found', message: 'There is only /livez, /readyz and /metrics here.' } });
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.agent.listen.port, config.agent.listen.host, resolve);
  });
  return server;
}
