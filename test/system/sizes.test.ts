import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Agent } from '../../src/agent/agent.ts';
import { ServerClient } from '../../src/agent/server-client.ts';
import type { Bus } from '../../src/bus/interface.ts';
import { LocalBusClient } from '../../src/bus/local.ts';
import { RabbitBus } from '../../src/bus/rabbitmq.ts';
import { paths } from '../../src/config/config.ts';
import { FakeKernel } from '../../src/kernel/fake/fake-kernel.ts';
import { eventually } from '../support/eventually.ts';
import { realPorts } from '../support/ports.ts';
import { newDatabase, PostgresCluster } from '../support/postgres.ts';
import { RabbitNode } from '../support/rabbitmq.ts';
import { insertPostgres, insertSqlite, namespaceOf, type SeedRows } from '../support/seed-rows.ts';
import { pinhole, Started } from '../support/started.ts';

const SOAK = process.env['PINHOLE_SOAK'] !== undefined;
const [ROUTERS, HELPERS] = SOAK ? [1_000, 1_000] : [40, 1_000];
/** Routers of one project that no agent serves. */
const OTHERS = SOAK ? 100_000 : 3_000;
const HOST = 'large';
const LONG_MS = SOAK ? 900_000 : 120_000;
/** A message of the bus may have that many bytes. */
const MAX_MESSAGE = 16 * 1024 * 1024;
const MAX_MIB = SOAK ? 1_500 : 600;
const WORST = SOAK ? 2_700_000 : 240_000;

/** Each store once and each bus once; under PINHOLE_SOAK, all four pairs. */
const PAIRS = [
  { store: 'SQLite', bus: 'the socket' },
  { store: 'PostgreSQL', bus: 'RabbitMQ' },
  ...(SOAK
    ? [
        { store: 'SQLite', bus: 'RabbitMQ' },
        { store: 'PostgreSQL', bus: 'the socket' },
      ]
    : []),
];

describe.each(PAIRS)(
  `${ROUTERS} routers × ${HELPERS} helpers on one host, ${OTHERS} more in one project: $store, $bus`,
  ({ store, bus }) => {
    const directory = mkdtempSync(join(tmpdir(), 'pht-sizes-'));
    const files = paths({ dataDir: join(directory, 'data'), runDir: join(directory, 'run') });
    const postgres = new PostgresCluster();
    const rabbit = new RabbitNode();
    const kernel = new FakeKernel();
    const served = Array.from({ length: ROUTERS }, () => randomUUID());
    const figures: Record<string, number> = {};
    let largest = 0;
    let server: Started;
    let agent: Agent;
    let link: Bus;

    beforeAll(async () => {
      chmodSync(directory, 0o755);
      const lines = [
        `run_dir: ${join(directory, 'run')}`,
        'api: { quota_per_router: -1 }',
        'limits: { requests_per_second: 0 }',
        'log_level: warn',
      ];
      let url = '';
      if (store === 'PostgreSQL') {
        await postgres.start();
        chmodSync(postgres.directory, 0o755);
        url = await newDatabase(postgres.url());
        lines.push(`database: { url: '${url}' }`);
      }
      if (bus === 'RabbitMQ') {
        await rabbit.start();
        lines.push(`bus: { url: '${rabbit.url()}', agent_user: any, server_users: [any] }`);
      }
      const config = join(directory, 'pinhole.yaml');
      writeFileSync(config, `${lines.join('\n')}\n`);
      writeFileSync(join(directory, 'token'), '');
      server = new Started(['server', '--config', config, '--data-dir', join(directory, 'data'), '--listen', '127.0.0.1:0']);
      await pinhole(['token', 'init', '--config', config, '--data-dir', join(directory, 'data')]);
      await server.ready(() => statSync(files.endpoint, { throwIfNoEntry: false }) !== undefined);
      const others = Array.from({ length: OTHERS }, () => randomUUID());
      for (const seed of [seedOf(served, HOST, HELPERS), seedOf(others, 'nowhere', 1)]) {
        if (url !== '') await insertPostgres(url, seed);
        else insertSqlite(files.database, seed);
      }
      for (let index = 0; index < ROUTERS; index++) kernel.addNamespace(`${HOST}-${namespaceOf(index)}`);
    }, LONG_MS);
    afterAll(async () => {
      await agent?.close();
      await link?.close();
      await server?.stop();
      if (bus === 'RabbitMQ') await rabbit.stop();
      if (store === 'PostgreSQL') await postgres.stop();
      rmSync(directory, { recursive: true, force: true });
      process.stdout.write(`sizes, ${store}, ${bus}: ${JSON.stringify(figures)}\n`);
    }, LONG_MS);

    const environment = () => ({
      PINHOLE_URL: readFileSync(files.endpoint, 'utf8').trim(),
      PINHOLE_TOKEN: readFileSync(files.adminToken, 'utf8').trim(),
    });
    async function get<T>(path: string): Promise<T> {
      const { PINHOLE_URL, PINHOLE_TOKEN } = environment();
      const response = await fetch(`${PINHOLE_URL}${path}`, { headers: { authorization: `Bearer ${PINHOLE_TOKEN}` } });
      expect(response.status, path).toBe(200);
      return (await response.json()) as T;
    }
    async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
      const from = performance.now();
      const result = await work();
      figures[what] = Math.round(performance.now() - from) / 1000;
      return result;
    }

    it('the agent pulls and applies all of them, and every helper is reported', { timeout: WORST }, async () => {
      link = measuredBus(bus === 'RabbitMQ' ? rabbitBus(rabbit) : new LocalBusClient(files.busSocket, realPorts), (bytes) => {
        largest = Math.max(largest, bytes);
      });
      agent = newAgent({ kernel, link, statePath: join(directory, 'desired.json') });
      agent.start();
      await timed('settled', () =>
        eventually(() => agent.isSettled && kernel.counts.applies >= ROUTERS, { what: 'all are applied', timeoutMs: LONG_MS }),
      );
      const isReported = async () => {
        for (const id of [served[0], served.at(-1)]) {
          const { helpers } = await get<{ helpers: { families: { status: string }[] }[] }>(`/v1/status/${id}`);
          if (helpers.length !== HELPERS || !helpers.every(({ families }) => families.every(({ status }) => status === 'ACTIVE')))
            return false;
        }
        return true;
      };
      await timed('reported', () => eventually(isReported, { what: 'all are reported', timeoutMs: LONG_MS }));
      figures['largest message, MiB'] = Math.round((largest / 1024 / 1024) * 10) / 10;
      expect(largest).toBeLessThan(MAX_MESSAGE);
      expect(link.refused).toBe(0);
    });

    it('lists and status of all are read page by page, by the API and by the command line', { timeout: WORST }, async () => {
      const seen = new Set<string>();
      await timed('list', async () => {
        for (let path: string | null = '/v1/routers?limit=500'; path; ) {
          const page: { routers: { id: string }[]; next?: string | null } = await get(path);
          for (const { id } of page.routers) seen.add(id);
          path = page.next ? `/v1/routers?limit=500&marker=${page.next}` : null;
        }
      });
      expect(seen.size).toBe(ROUTERS + OTHERS);
      const status = await timed('status', () => pinhole(['status'], { env: environment() }));
      expect([status.code, status.stderr]).toEqual([0, '']);
      expect(status.stdout.split('\n')[0]).toContain(`${ROUTERS * HELPERS + OTHERS} helpers: `);
      expect(status.stdout.split('\n')[0]).toContain(`${ROUTERS * HELPERS} ACTIVE`);
      const list = await timed('router list', () => pinhole(['router', 'list'], { env: environment() }));
      expect([list.code, list.stderr]).toEqual([0, '']);
    });

    it('a file that changes a few is applied, and the server’s memory is bounded', { timeout: WORST }, async () => {
      const file = join(directory, 'change.yaml');
      writeFileSync(
        file,
        `routers:\n  - name: ${HOST}-r0\n    host: ${HOST}\n    netns: ${HOST}-n0\n    helpers:\n      - { helper: tftp, protocol: udp, port: 69 }\n`,
      );
      const applied = await timed('apply', () => pinhole(['apply', '-f', file, '--json'], { env: environment() }));
      expect([applied.code, applied.stderr]).toEqual([0, '']);
      await eventually(
        async () =>
          (await get<{ helpers: { helper: string; families: { status: string }[] }[] }>(`/v1/status/${served[0]}`)).helpers.some(
            ({ helper, families }) => helper === 'tftp' && families.every(({ status }) => status === 'ACTIVE'),
          ),
        {
          what: 'the change',
          timeoutMs: LONG_MS,
        },
      );
      figures['server peak, MiB'] = Math.round(Math.max(...server.children().map(peakOf)));
      expect(figures['server peak, MiB']).toBeLessThan(MAX_MIB);
    });

    function seedOf(ids: readonly string[], host: string, helpersEach: number): SeedRows {
      return { ids, hostOf: () => host, projectOf: () => 'one', helpersEach, prefix: `${host}-` };
    }
  },
);

/** A bus that tells the size of each message and answer, as JSON. */
function measuredBus(bus: Bus, tell: (bytes: number) => void): Bus {
  const size = (value: unknown) => tell(Buffer.byteLength(JSON.stringify(value) ?? ''));
  return new Proxy(bus, {
    get: (target, key) => {
      const value = Reflect.get(target, key);
      if (typeof value !== 'function') return value;
      return (...parameters: unknown[]) => {
        if (key === 'call' || key === 'cast') size(parameters[2]);
        const result = (value as (...all: unknown[]) => unknown).apply(target, parameters);
        if (key === 'call') void (result as Promise<unknown>).then(size, () => undefined);
        return result;
      };
    },
  });
}

function rabbitBus(rabbit: RabbitNode): Bus {
  const broker = rabbit.broker({ heartbeatSeconds: 60 });
  return new RabbitBus({ broker, exchange: 'pinhole', declares: true, name: HOST, signs: false, trusted: null, ...realPorts });
}

function newAgent({ kernel, link, statePath }: { kernel: FakeKernel; link: Bus; statePath: string }): Agent {
  return new Agent({
    host: HOST,
    version: 'test',
    kernel,
    source: new ServerClient(link, HOST),
    ...realPorts,
    statePath,
    resyncSeconds: 300,
    checkSeconds: 600,
    reportSeconds: 5,
    firstPullSeconds: 600,
    maxStateAgeSeconds: 86_400,
    holdRemovalsPercent: 100,
    keepLive: false,
  });
}

/** The most memory that a process ever had, in MiB. */
function peakOf(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
