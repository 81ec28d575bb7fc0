import { Agent } from '../agent/agent.ts';
import { cloudInstallation } from '../agent/cloud.ts';
import { listenHealth } from '../agent/health.ts';
import { NeutronClient } from '../agent/neutron-client.ts';
import { ServerClient } from '../agent/server-client.ts';
import type { Bus } from '../bus/interface.ts';
import { LocalBusClient } from '../bus/local.ts';
import { type Config, paths } from '../config/config.ts';
import { DEFAULT_CONFINEMENT } from '../contract/confinement.ts';
import { RemoteKernel } from '../kernel/remote.ts';
import { type Ports, systemPorts } from '../ports/ports.ts';
import { createLogger } from '../telemetry/log.ts';
import { createMetrics, observe, REFUSED_MESSAGES } from '../telemetry/metrics.ts';
import { VERSION } from '../version.ts';
import { rabbitBus } from './bus-parts.ts';
import { listenFailure } from './listening.ts';

/**
 * Starts the agent process of one host. It has no capabilities: it changes the kernel through the kernel process.
 * @param options `neutron`: whether it serves the routers of Neutron's L3 agent
 * @returns `isWell`: whether its sync loop makes progress; `close`: stops it and leaves the kernel as it is
 * @throws InvalidInput for configuration that names a file that cannot be read
 */
export async function startHostAgent(
  config: Config,
  { neutron }: { neutron: boolean },
): Promise<{ isWell: () => boolean; close(): Promise<void> }> {
  const ports = systemPorts(createLogger('agent', config.logLevel));
  const { logger } = ports;
  const files = paths(config);
  const kernel = new RemoteKernel(files.kernelSocket, ports, config.kernel.deadlineSeconds * 1_000);
  const bus = await chooseBus(config, { neutron, ports });
  const namespaces = async () => (await kernel.namespaces()).map(({ netns }) => netns);
  const source =
    config.bus && neutron
      ? new NeutronClient({
          bus,
          host: config.host,
          namespaces,
          installation: cloudInstallation(files.cloud, config.bus, logger),
          confinement: config.agent.confine ? DEFAULT_CONFINEMENT : null,
          ...ports,
        })
      : new ServerClient(bus, config.host);
  const agent = new Agent({
    host: config.host,
    version: VERSION,
    kernel,
    source,
    ...ports,
    statePath: files.agentState,
    resyncSeconds: config.agent.resyncSeconds,
    checkSeconds: config.agent.checkSeconds,
    reportSeconds: config.agent.reportSeconds,
    firstPullSeconds: config.agent.firstPullSeconds,
    maxStateAgeSeconds: config.agent.maxStateAgeSeconds,
    holdRemovalsPercent: config.agent.holdRemovalsPercent,
    keepLive: config.agent.keepLive,
  });
  const metrics = createMetrics({ process: 'agent', version: VERSION });
  observe(metrics, REFUSED_MESSAGES, () => bus.refused);
  const { host, port } = config.agent.listen;
  const health = await listenHealth(config.agent.listen, agent, metrics).catch((error) => {
    throw listenFailure(error, { field: 'agent.listen', address: `${host}:${port}` });
  });
  agent.start();
  logger.info({ host: config.host, version: VERSION }, 'agent is running');
  return {
    isWell: () => agent.isWell,
    close: async () => {
      health.closeAllConnections();
      await new Promise<void>((resolve) => health.close(() => resolve()));
      await agent.close();
      await bus.close();
      await kernel.close();
    },
  };
}

async function chooseBus(config: Config, { neutron, ports }: { neutron: boolean; ports: Ports }): Promise<Bus> {
  if (config.bus === null) return new LocalBusClient(paths(config).busSocket, ports);
  const parts = { name: `pinhole-agent ${config.host}`, trusted: config.bus.serverUsers, ...ports };
  // In a fleet, the servers create the exchange. In a cloud, this agent may be the first to need it.
  return rabbitBus(config.bus, neutron ? { ...parts, declares: true } : { ...parts, owner: config.host, declares: false });
}
