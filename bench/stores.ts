import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import Database from 'better-sqlite3';
import pg from 'pg';
import { newDatabase, PostgresCluster } from '../test/support/postgres.ts';
import { createRequests } from './creates.ts';
import { Load } from './load.ts';
import { median, type Result, summarise } from './measure.ts';
import { ServerProcess } from './server-process.ts';

const ROUTERS = 100_000;
const HELPERS_EACH = 4;
const SECONDS = 4;
const ROUNDS = 3;
const CLIENTS = [8, 64] as const;
/** Each of 64 clients asks ten times a second: a busy control plane, not a race for the CPU. */
const PAUSE_MS = 100;
const LIST_P99_MS = 5;
const AT = '2026-01-01T00:00:00.000Z';
const ROWS = 500;

interface Seeded {
  readonly server: ServerProcess;
  close(): Promise<void>;
}

/** Creates and lists with 100,000 routers × 4 helpers there, in one store after the other: neither works while the other is measured. */
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
      // What is there at rest comes first: a database goes on working for a while after it was written to.
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

/** Rows as the server would have written them, put in behind its back: by its API they would take minutes. */
function* seedRows(ids: readonly string[]): Generator<{ table: string; columns: string; rows: unknown[][] }> {
  for (let at = 0; at < ids.length; at += ROWS) {
    const part = ids.slice(at, at + ROWS);
    const routers = part.map((id, index) => [id, `r${at + index}`, `p${(at + index) % 1000}`, 'elsewhere', `n${at + index}`, 1, AT, AT]);
    yield { table: 'routers', columns: 'id, name, project_id, host, netns, revision, created_at, updated_at', rows: routers };
    for (let port = 1; port <= HELPERS_EACH; port++) {
      const helpers = part.map((id) => [randomUUID(), id, 'tcp', port, 'ftp', '', AT]);
      yield { table: 'conntrack_helpers', columns: 'id, router_id, protocol, port, helper, scope, created_at', rows: helpers };
    }
  }
}

async function seedSqlite(ids: readonly string[]): Promise<Seeded> {
  const server = await ServerProcess.start();
  const database = new Database(server.database);
  database.exec('begin');
  for (const { table, columns, rows } of seedRows(ids)) {
    const places = rows.map((row) => `(${row.map(() => '?').join(',')})`).join(',');
    database.prepare(`insert into ${table} (${columns}) values ${places}`).run(rows.flat());
  }
  database.exec('commit; pragma wal_checkpoint(truncate); analyze');
  database.close();
  return { server, close: () => server.stop() };
}

async function seedPostgres(ids: readonly string[]): Promise<Seeded> {
  const cluster = await new PostgresCluster().start(['shared_buffers=1GB']);
  const url = await newDatabase(cluster.url());
  const server = await ServerProcess.start(`database:\n  url: ${url}\n`);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('begin');
  for (const { table, columns, rows } of seedRows(ids)) {
    let next = 1;
    const places = rows.map((row) => `(${row.map(() => `$${next++}`).join(',')})`).join(',');
    await client.query(`insert into ${table} (${columns}) values ${places}`, rows.flat());
  }
  await client.query('commit');
  await client.query('vacuum analyze');
  await client.query('checkpoint');
  await client.end();
  return {
    server,
    close: async () => {
      await server.stop();
      await cluster.stop();
    },
  };
}
