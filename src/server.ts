import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createApp } from './api/app.ts';
import { LocalBusServer } from './bus/local.ts';
import { type Config, paths } from './config/config.ts';
import type { Context } from './control/context.ts';
import { ExpectationFeed } from './control/expectations.ts';
import { Expiry } from './control/expiry.ts';
import { Helpers } from './control/helpers.ts';
import { Outbox } from './control/outbox.ts';
import { Routers } from './control/routers.ts';
import { AgentRpc } from './control/rpc.ts';
import { Status } from './control/status.ts';
import { Tokens } from './control/tokens.ts';
import { openSqlite } from './store/sqlite.ts';
import { createLogger } from './telemetry/log.ts';
import { createMetrics } from './telemetry/metrics.ts';
import { VERSION } from './version.ts';

export interface RunningServer {
  /** Where the API listens. */
  readonly url: string;
  close(): Promise<void>;
}

/** The server process: API, control, store and the embedded bus. */
export async function startServer(config: Config): Promise<RunningServer> {
  const logger = createLogger('server', config.logLevel);
  const files = paths(config);
  const store = await openSqlite(files.database);
  const bus = new LocalBusServer(logger);
  const outbox = new Outbox(store, bus, logger);
  const context: Context = {
    store,
    bus,
    outbox,
    logger,
    allowed: config.api.allowedHelpers,
    quotaPerRouter: config.api.quotaPerRouter,
    defaultHost: config.host,
    now: () => new Date(),
  };
  const helpers = new Helpers(context);
  const status = new Status(context);
  const expectations = new ExpectationFeed(context);
  const expiry = new Expiry(context, helpers);
  const tokens = new Tokens(context);
  if (existsSync(files.adminToken)) await tokens.adopt(readFileSync(files.adminToken, 'utf8').trim());
  const services = { routers: new Routers(context), helpers, status, tokens, expectations };
  const app = await createApp({
    services,
    logger,
    metrics: createMetrics(),
    version: VERSION,
    ready: async () => void (await store.read.epoch()),
  });
  new AgentRpc(context, status, expectations).start();
  rmSync(files.busSocket, { force: true });
  await bus.listen(files.busSocket);
  await app.listen({ host: config.listen.host, port: config.listen.port });
  expiry.start();
  outbox.wake();
  const { address, family, port } = app.server.address() as AddressInfo;
  const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  writeFileSync(files.endpoint, `${url}\n`);
  logger.info({ url, host: config.host, version: VERSION }, 'server is ready');
  return {
    url,
    close: async () => {
      expiry.close();
      expectations.close();
      app.server.closeAllConnections();
      await app.close();
      await outbox.close();
      await bus.close();
      await store.close();
    },
  };
}
