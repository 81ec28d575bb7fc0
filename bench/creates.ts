import { closeSync, fdatasyncSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Client } from '../src/client/client.ts';
import { ROUTER } from '../src/contract/router.ts';
import { Load } from './load.ts';
import { median, type Result, round, summarise } from './measure.ts';
import { ServerProcess } from './server-process.ts';

const ROUTERS = 200;
const SECONDS = 4;
const ROUNDS = 3;
const TARGETS: readonly (readonly [clients: number, perSecond: number])[] = [
  [1, 0],
  [8, 2500],
  [64, 4000],
];

/** Measures durable creates per second, and for comparison the disk's syncs per second. */
export async function benchCreates(): Promise<Result[]> {
  const server = await ServerProcess.start();
  try {
    const client = new Client({ url: server.url.href, token: server.token }, {});
    const routers: string[] = [];
    for (let index = 0; index < ROUTERS; index++)
      routers.push((await client.read(ROUTER, 'POST', '/v1/routers', { name: `r${index}`, host: 'elsewhere', netns: `n${index}` })).id);
    const load = new Load(server.url, server.token);
    const request = createRequests(routers);
    const rates = new Map<number, number[]>(TARGETS.map(([clients]) => [clients, []]));
    const latencies = new Map<number, number[]>(TARGETS.map(([clients]) => [clients, []]));
    const syncs: number[] = [];
    await load.run(8, 1, { request, status: 201 });
    for (let repetition = 0; repetition < ROUNDS; repetition++) {
      syncs.push(syncsPerSecond(server.directory));
      for (const [clients] of TARGETS) {
        const { perSecond, latencyMs } = await load.run(clients, SECONDS, { request, status: 201 });
        rates.get(clients)?.push(perSecond);
        latencies.get(clients)?.push(...latencyMs);
      }
    }
    const rateOf = (clients: number) => median(rates.get(clients) ?? []);
    const figures = TARGETS.flatMap(([clients]) => [
      [`${clients} client${clients === 1 ? '' : 's'}, creates a second`, rateOf(clients)],
      [`${clients} client${clients === 1 ? '' : 's'}, p99 ms`, summarise(latencies.get(clients) ?? []).p99],
    ]);
    return [
      {
        what: 'creates a second, durable (SQLite, synchronous=FULL)',
        target: '≥ 2,500 with 8 clients, ≥ 4,000 with 64',
        ok: TARGETS.every(([clients, wanted]) => rateOf(clients) >= wanted),
        figures: { ...Object.fromEntries(figures), "the disk's own fdatasyncs a second": median(syncs) },
      },
    ];
  } finally {
    await server.stop();
  }
}

/** Makes requests that create helpers, on the routers in turn, each on a new port. */
export function createRequests(routers: readonly string[], firstPort = 1): () => { line: string; body: string } {
  let next = 0;
  return () => {
    const index = next++;
    const port = firstPort + (Math.floor(index / routers.length) % (65_536 - firstPort));
    return {
      line: `POST /v2.0/routers/${routers[index % routers.length]}/conntrack_helpers`,
      body: `{"conntrack_helper":{"helper":"ftp","protocol":"tcp","port":${port}}}`,
    };
  };
}

function syncsPerSecond(directory: string): number {
  const file = join(directory, 'sync');
  const fd = openSync(file, 'w');
  const block = Buffer.alloc(4096, 1);
  const start = performance.now();
  let count = 0;
  for (; performance.now() - start < 500; count++) {
    writeSync(fd, block, 0, block.length, count * block.length);
    fdatasyncSync(fd);
  }
  const rate = (count / (performance.now() - start)) * 1000;
  closeSync(fd);
  unlinkSync(file);
  return round(rate);
}
