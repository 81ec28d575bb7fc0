import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createRequests } from './creates.ts';
import { Load } from './load.ts';
import { median, type Result, summarise } from './measure.ts';
import { seedPostgres, seedSqlite } from './seed.ts';

const ROUTERS = 100_000;
const SECONDS = 4;
const ROUNDS = 3;
const CLIENTS = [8, 64] as const;
/** Each of 64 clients sends ten requests a second: a busy control plane that does not use up the CPU. */
const PAUSE_MS = 100;
const LIST_P99_MS = 5;

/** Measures creates and lists with 100,000 routers × 4 helpers, in one store after the other, so that the stores do not compete. */
export async function benchStores(): Promise<Result[]> {
  const ids = Array.from({ length: ROUTERS }, () => randomUUID());
  const results: Result[] = [];
  for (const [name, seed] of Object.entries({ SQLite: seedSqlite, PostgreSQL: seedPostgres })) {
    const { server, close } = await seed(ids);
    try {
      const samples = new Samples();
      const create = createRequests(ids.slice(0, 20_000), 1_000);
      const load = new Load(server.url, server.token);
      const list = () => ({ line: `GET /v2.0/routers/${ids[Math.floor(Math.random() * ids.length)]}/conntrack_helpers` });
      spawnSync('sync');
      await load.run(8, SECONDS, { request: list, status: 200 });
      // Reads are measured first: a database still works for a while after writes.
      for (let repetition = 0; repetition < ROUNDS; repetition++) await measureAtRest(load, list, samples);
      for (let repetition = 0; repetition < ROUNDS; repetition++) await measureWrites(load, { list, create }, samples);
      results.push(samples.result(name));
    } finally {
      await close();
    }
  }
  return results;
}

type Request = () => { line: string; body?: string };

async function measureAtRest(load: Load, list: Request, samples: Samples): Promise<void> {
  for (const clients of CLIENTS) {
    const listed = await load.run(clients, SECONDS, { request: list, status: 200 });
    samples.add(`lists of one router a second, ${clients} clients at full speed`, listed.perSecond);
    samples.addLatencies(`list p99 ms, ${clients} clients at full speed`, listed.latencyMs);
  }
  const paced = await load.run(64, SECONDS, { request: list, status: 200, pauseMs: PAUSE_MS });
  samples.addLatencies(PACED, paced.latencyMs);
  const floor = { request: () => ({ line: 'GET /livez' }), status: 200 };
  samples.addLatencies('p99 ms of /livez (no token, no database), 8 clients at full speed', (await load.run(8, 2, floor)).latencyMs);
  samples.addLatencies(
    'p99 ms of /livez, 64 clients asking ten times a second each',
    (await load.run(64, 2, { ...floor, pauseMs: PAUSE_MS })).latencyMs,
  );
}

async function measureWrites(load: Load, { list, create }: { list: Request; create: Request }, samples: Samples): Promise<void> {
  for (const clients of CLIENTS) {
    const created = await load.run(clients, SECONDS, { request: create, status: 201 });
    samples.add(`creates a second, ${clients} clients`, created.perSecond);
  }
  const [beside] = await Promise.all([
    load.run(64, SECONDS, { request: list, status: 200, pauseMs: PAUSE_MS }),
    load.run(8, SECONDS, { request: create, status: 201, pauseMs: PAUSE_MS / 5 }),
  ]);
  samples.addLatencies('list p99 ms, the same beside 400 creates a second', beside.latencyMs);
}

const PACED = 'list p99 ms, 64 clients asking ten times a second each';

class Samples {
  readonly #rates = new Map<string, number[]>();
  readonly #latencies = new Map<string, number[]>();

  add(name: string, rate: number): void {
    this.#rates.set(name, [...(this.#rates.get(name) ?? []), rate]);
  }

  addLatencies(name: string, latencyMs: readonly number[]): void {
    this.#latencies.set(name, [...(this.#latencies.get(name) ?? []), ...latencyMs]);
  }

  result(store: string): Result {
    const p99 = (name: string) => summarise(this.#latencies.get(name) ?? []).p99;
    const eight = p99('list p99 ms, 8 clients at full speed');
    return {
      what: `100,000 routers × 4 helpers in ${store}`,
      target: `list of one router ≤ ${LIST_P99_MS} ms p99: 8 clients at full speed, 64 clients ten times a second each`,
      ok: eight <= LIST_P99_MS && p99(PACED) <= LIST_P99_MS,
      figures: {
        ...Object.fromEntries([...this.#rates].map(([name, rates]) => [name, median(rates)])),
        ...Object.fromEntries([...this.#latencies.keys()].map((name) => [name, p99(name)])),
      },
    };
  }
}
