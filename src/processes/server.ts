import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { createApp } from '../api/app.ts';
import { createMetricsApp } from '../api/metrics.ts';
import type { Bus } from '../bus/interface.ts';
import { LocalBusServer } from '../bus/local.ts';
import { type Config, type Listen, paths } from '../config/config.ts';
import { readIfThere } from '../config/files.ts';
import { isLoopback } from '../config/server-config.ts';
import { DEFAULT_CONFINEMENT } from '../contract/confinement.ts';
import { Audit } from '../control/audit.ts';
import type { Context } from '../control/context.ts';
import { EventFeed } from '../control/events.ts';
import { ExpectationFeed } from '../control/expectations.ts';
import { Expiry } from '../control/expiry.ts';
import { Helpers } from '../control/helpers.ts';
import { HostWatch } from '../control/host-watch.ts';
import { Hosts } from '../control/hosts.ts';
import { Janitor } from '../control/janitor.ts';
import { Live } from '../control/live.ts';
import { Manifests } from '../control/manifests.ts';
import { Outbox } from '../control/outbox.ts';
import type { Principal } from '../control/principal.ts';
import { ProjectQuotas } from '../control/quotas.ts';
import { Routers } from '../control/routers.ts';
import { AgentRpc } from '../control/rpc.ts';
import { Status } from '../control/status.ts';
import { Tokens } from '../control/tokens.ts';
import { PinholeError } from '../model/errors.ts';
import { type Ports, systemPorts } from '../ports/ports.ts';
import { claimSocket } from '../sockets/claim.ts';
import { createLogger } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { VERSION } from '../version.ts';
import { rabbitBus, userOfHost } from './bus-parts.ts';
import { listenFailure } from './listening.ts';
import { meters, registerServerMetrics } from './server-metrics.ts';
import { auditKey, chooseIdentity, loadPolicy, loadTls, openStore } from './server-parts.ts';

/** A server that listens. */
export interface RunningServer {
  /** Where the API listens: a URL, or `unix:` and the path of a socket. */
  readonly url: string;
  readonly app: FastifyInstance;
  /** Reloads certificate and policy. If one cannot be read, it logs the error and keeps the old ones. */
  reload(): void;
  /** Removes rows that are older than retention keeps, as a timer does regularly. @returns the number of rows */
  clean(): Promise<number>;
  /** Stops accepting requests, signs the audit chain, and closes bus and store. */
  close(): Promise<void>;
}

/**
 * Starts the server process: API, control, store and bus. Resolves when the API listens and the endpoint file is written.
 * @throws InvalidInput for configuration; PinholeError `store-unavailable`
 */
export async function startServer(config: Config, ports = systemPorts(createLogger('server', config.logLevel))): Promise<RunningServer> {
  const { logger } = ports;
  const files = paths(config);
  let policy = loadPolicy(config, logger);
  const tls = config.server.tls && loadTls(config.server.tls);
  const store = await openStore(config, ports);
  const bus = await chooseBus(config, ports);
  const outbox = new Outbox(store, bus, ports);
  const metrics = createMetrics({ process: 'server', version: VERSION });
  const context: Context = {
    store,
    bus,
    outbox,
    ...ports,
    policy: () => policy,
    allowed: config.api.allowedHelpers,
    quotas: config.api.quotas,
    meters: meters(metrics),
    newConfinement: (config.api.confineNewRouters ?? (await store.read.confinesNewRouters())) ? DEFAULT_CONFINEMENT : null,
    // In a fleet, a router without a host stays without one.
    defaultHost: config.bus === null ? config.host : null,
    userOfHost: userOfHost(config.bus),
  };
  const routers = new Routers(context);
  const helpers = new Helpers(context);
  const status = new Status(context, routers);
  const expectations = new ExpectationFeed(context, routers);
  const tokens = new Tokens(context);
  const audit = new Audit(context, auditKey(config));
  const expiry = new Expiry(context, helpers);
  const hostWatch = new HostWatch(context);
  const janitor = new Janitor(context, config.server.retention);
  const adminToken = readIfThere(files.adminToken);
  if (adminToken !== null) await tokens.adopt(adminToken.trim());
  const live = new Live(context, helpers);
  const services = {
    routers,
    helpers,
    status,
    tokens,
    expectations,
    audit,
    live,
    manifests: new Manifests(context),
    hosts: new Hosts(context),
    events: new EventFeed(context),
    quotas: new ProjectQuotas(context),
    metricsAccess: (principal: Principal) => policy.enforce(principal, 'get_metrics', {}),
  };
  registerServerMetrics(metrics, { store, bus, hostWatch, events: services.events, clock: ports.clock });
  const app = await createApp({
    services,
    identity: chooseIdentity(config, tokens, ports),
    limits: config.server.limits,
    isAdmin: (principal) => policy.allows(principal, 'admin_only', {}),
    tls,
    ...ports,
    metrics,
    version: VERSION,
    hostNames: hostNames(config),
    ready: async () => {
      await store.read.epoch();
      // Agents write their heartbeats, so that this is asked again soon, with or without requests.
      if (store.refusesWrites()) throw new PinholeError('store-unavailable', 'the database refused the last change');
    },
    // A fleet's server looks after no host in particular: one that fails is no reason to send requests to another server.
    hostReady: async () => {
      if (config.bus === null) await status.requireHost(config.host);
    },
  });
  // First the address, which another process may have: then nothing of that process's is touched.
  const url = await listen(app, config);
  const metricsApp = config.metricsListen && (await listenMetrics(createMetricsApp(metrics), config.metricsListen));
  new AgentRpc(context, status, expectations).start();
  if (bus instanceof LocalBusServer) await bus.listen(files.busSocket);
  for (const part of [expiry, audit, janitor, outbox, hostWatch]) part.start();
  writeFileSync(files.endpoint, `${url}\n`);
  logger.info({ url, host: config.host, version: VERSION }, 'server is ready');
  if (!tls && 'host' in config.listen && !isLoopback(config.listen.host))
    logger.warn(
      { url },
      'other machines can reach the API and TLS is off: tokens cross the network readable. Set tls, or listen on 127.0.0.1',
    );
  const reload = () => {
    try {
      const [nextPolicy, nextTls] = [loadPolicy(config, logger), config.server.tls && loadTls(config.server.tls)];
      if (nextTls) (app.server as unknown as TlsServer).setSecureContext(nextTls);
      policy = nextPolicy;
      logger.info({}, 'policy and certificate are reloaded');
    } catch (error) {
      logger.error({ err: error }, 'policy and certificate stay as they were');
    }
  };
  return {
    url,
    app,
    reload,
    clean: () => janitor.clean(),
    close: async () => {
      for (const part of [expiry, expectations, janitor, hostWatch]) part.close();
      await metricsApp?.close();
      app.server.closeAllConnections();
      await app.close();
      await outbox.close();
      await audit.close();
      await bus.close();
      await store.close();
    },
  };
}

async function chooseBus(config: Config, ports: Ports): Promise<Bus> {
  if (config.bus === null) return new LocalBusServer(ports);
  return rabbitBus(config.bus, { name: `pinhole-server ${config.host}`, declares: true, trusted: null, ...ports });
}

/**
 * Opens the API's socket. The umask makes a unix socket its owner's from the start.
 * @returns the URL, or `unix:` and a path
 * @throws InvalidInput for an address that cannot be used
 */
async function listen(app: FastifyInstance, { listen, server }: Config): Promise<string> {
  const at = (address: string) => (error: unknown) => {
    throw listenFailure(error, { field: 'listen', address });
  };
  if ('path' in listen) {
    await claimSocket(listen.path, 'listen');
    const umask = process.umask(0o177);
    try {
      await app.listen({ path: listen.path }).catch(at(`unix:${listen.path}`));
    } finally {
      process.umask(umask);
    }
    return `unix:${listen.path}`;
  }
  await app.listen({ host: listen.host, port: listen.port }).catch(at(`${listen.host}:${listen.port}`));
  const { address, family, port } = app.server.address() as AddressInfo;
  return `${server.tls ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

/** Opens the socket of `metrics_listen`. @throws InvalidInput for an address that cannot be used */
async function listenMetrics(app: FastifyInstance, { host, port }: Listen): Promise<FastifyInstance> {
  await app.listen({ host, port }).catch((error) => {
    throw listenFailure(error, { field: 'metrics_listen', address: `${host}:${port}` });
  });
  return app;
}

/** Names to which requests have to be addressed where every client is an admin and a browser may be one; null: any. */
function hostNames({ server, listen }: Config): ReadonlySet<string> | null {
  if (server.identity.mode !== 'none' || 'path' in listen) return null;
  const own = listen.host.includes(':') ? `[${listen.host}]` : listen.host;
  return new Set(['localhost', '127.0.0.1', '[::1]', own.toLowerCase()]);
}
