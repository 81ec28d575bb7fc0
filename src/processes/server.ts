import { rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { createApp } from '../api/app.ts';
import type { Bus } from '../bus/interface.ts';
import { LocalBusServer } from '../bus/local.ts';
import { type Config, paths } from '../config/config.ts';
import { readIfThere } from '../config/files.ts';
import { Audit } from '../control/audit.ts';
import type { Context } from '../control/context.ts';
import { EventFeed } from '../control/events.ts';
import { ExpectationFeed } from '../control/expectations.ts';
import { Expiry } from '../control/expiry.ts';
import { Helpers } from '../control/helpers.ts';
import { Janitor } from '../control/janitor.ts';
import { Live } from '../control/live.ts';
import { Outbox } from '../control/outbox.ts';
import { ProjectQuotas } from '../control/quotas.ts';
import { Routers } from '../control/routers.ts';
import { AgentRpc } from '../control/rpc.ts';
import { Status } from '../control/status.ts';
import { Tokens } from '../control/tokens.ts';
import { type Ports, systemPorts } from '../ports/ports.ts';
import { createLogger } from '../telemetry/log.ts';
import { createMetrics, observe, REFUSED_MESSAGES } from '../telemetry/metrics.ts';
import { VERSION } from '../version.ts';
import { rabbitBus, userOfHost } from './bus-parts.ts';
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
  const context: Context = {
    store,
    bus,
    outbox,
    ...ports,
    policy: () => policy,
    allowed: config.api.allowedHelpers,
    quotas: config.api.quotas,
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
    events: new EventFeed(context),
    quotas: new ProjectQuotas(context),
  };
  const metrics = createMetrics();
  observe(metrics, REFUSED_MESSAGES, () => bus.refused);
  const app = await createApp({
    services,
    identity: chooseIdentity(config, tokens, ports),
    limits: config.server.limits,
    tls,
    ...ports,
    metrics,
    version: VERSION,
    ready: async () => void (await store.read.epoch()),
  });
  new AgentRpc(context, status, expectations).start();
  if (bus instanceof LocalBusServer) await bus.listen(files.busSocket);
  const url = await listen(app, config);
  for (const part of [expiry, audit, janitor, outbox]) part.start();
  writeFileSync(files.endpoint, `${url}\n`);
  logger.info({ url, host: config.host, version: VERSION }, 'server is ready');
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
      for (const part of [expiry, expectations, janitor]) part.close();
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

/** Opens the API's socket. The umask makes a unix socket its owner's from the start. @returns the URL, or `unix:` and a path */
async function listen(app: FastifyInstance, { listen, server }: Config): Promise<string> {
  if ('path' in listen) {
    rmSync(listen.path, { force: true });
    const umask = process.umask(0o177);
    try {
      await app.listen({ path: listen.path });
    } finally {
      process.umask(umask);
    }
    return `unix:${listen.path}`;
  }
  await app.listen({ host: listen.host, port: listen.port });
  const { address, family, port } = app.server.address() as AddressInfo;
  return `${server.tls ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
