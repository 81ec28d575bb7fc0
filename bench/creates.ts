import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { Client } from '../src/commands/client.ts';
import type { RouterJson } from '../src/commands/resources.ts';
import { newTokenText } from '../src/model/token.ts';
import { median, type Result, round, summarise, UNLIMITED } from './measure.ts';

const CLI = fileURLToPath(new URL('../src/cli.js', import.meta.url));
const ROUTERS = 200;
const SECONDS = 4;
const ROUNDS = 3;
const TARGETS: readonly (readonly [clients: number, perSecond: number])[] = [
  [1, 0],
  [8, 2500],
  [64, 4000],
];

/** Durable creates a second, beside what the disk can sync. The server runs alone; the load comes from this process. */
export async function benchCreates(): Promise<Result[]> {
  // Beside the sources: a temporary file system may be memory, where a sync costs nothing.
  const directory = mkdtempSync(fileURLToPath(new URL('../../bench/.creates-', import.meta.url)));
  mkdirSync(join(directory, 'server'));
  mkdirSync(join(directory, 'run', 'server'), { recursive: true });
  const token = newTokenText();
  writeFileSync(join(directory, 'admin-token'), token);
  const config = join(directory, 'pinhole.yaml');
  writeFileSync(config, `api:\n  quota_per_router: -1\nlog_level: error\n${UNLIMITED}`);
  const child = spawn(
    process.execPath,
    ['--max-semi-space-size=8', CLI, 'server', '--config', config, '--data-dir', directory, '--listen', '127.0.0.1:0'],
    { stdio: 'inherit' },
  );
  try {
    const endpoint = join(directory, 'run', 'server', 'endpoint');
    while (!existsSync(endpoint)) await new Promise((resolve) => setTimeout(resolve, 10));
    const url = new URL(readFileSync(endpoint, 'utf8').trim());
    const client = new Client({ url: url.href, token }, {});
    const routers: string[] = [];
    for (let index = 0; index < ROUTERS; index++)
      routers.push((await client.call<RouterJson>('POST', '/v1/routers', { name: `r${index}`, host: 'elsewhere', netns: `n${index}` })).id);
    const load = new Load(url, token, routers);
    const rates = new Map<number, number[]>(TARGETS.map(([clients]) => [clients, []]));
    const latencies = new Map<number, number[]>(TARGETS.map(([clients]) => [clients, []]));
    const syncs: number[] = [];
    await load.run(8, 1);
    for (let round = 0; round < ROUNDS; round++) {
      syncs.push(syncsPerSecond(directory));
      for (const [clients] of TARGETS) {
        const { perSecond, latencyMs } = await load.run(clients, SECONDS);
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
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGTERM');
    await ended;
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Clients that each keep one connection and one request under way. */
class Load {
  readonly #url: URL;
  readonly #token: string;
  readonly #routers: readonly string[];
  #next = 0;

  constructor(url: URL, token: string, routers: readonly string[]) {
    this.#url = url;
    this.#token = token;
    this.#routers = routers;
  }

  async run(clients: number, seconds: number): Promise<{ perSecond: number; latencyMs: number[] }> {
    const until = performance.now() + seconds * 1000;
    const start = performance.now();
    const latencyMs: number[] = [];
    await Promise.all(Array.from({ length: clients }, () => this.#client(until, latencyMs)));
    return { perSecond: round((latencyMs.length / (performance.now() - start)) * 1000), latencyMs };
  }

  /** Speaks HTTP by hand: a client library would take the other core for itself. */
  #client(until: number, latencyMs: number[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: this.#url.hostname, port: Number(this.#url.port), noDelay: true });
      let sentAt = 0;
      const send = () => {
        sentAt = performance.now();
        socket.write(this.#request());
      };
      let head = '';
      socket.on('data', (chunk) => {
        head += chunk.toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end < 0 || head.length < end + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0)) return;
        if (!head.startsWith('HTTP/1.1 201')) return reject(new Error(head));
        head = '';
        latencyMs.push(performance.now() - sentAt);
        if (performance.now() < until) send();
        else socket.end();
      });
      socket.on('connect', send);
      socket.on('error', reject);
      socket.on('close', () => resolve());
    });
  }

  #request(): string {
    const index = this.#next++;
    const router = this.#routers[index % this.#routers.length];
    const port = 1 + (Math.floor(index / this.#routers.length) % 65535);
    const body = `{"conntrack_helper":{"helper":"ftp","protocol":"tcp","port":${port}}}`;
    return `POST /v2.0/routers/${router}/conntrack_helpers HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer ${this.#token}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  }
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
