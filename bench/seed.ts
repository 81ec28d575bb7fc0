import { randomUUID } from 'node:crypto';
import Database from 'better-sqlite3';
import pg from 'pg';
import { newDatabase, PostgresCluster } from '../test/support/postgres.ts';
import { ServerProcess } from './server-process.ts';

const HELPERS_EACH = 4;
const AT = '2026-01-01T00:00:00.000Z';
const ROWS = 500;

/** A database with rows. */
export interface Seeded {
  readonly server: ServerProcess;
  close(): Promise<void>;
}

/** What to seed. */
export interface SeedOptions {
  /** The host of the router with an index. */
  readonly hostOf?: (index: number) => string;
  /** Additional configuration of the server, as YAML. */
  readonly config?: string;
}

const elsewhere = () => 'elsewhere';

/** Inserts rows as the server writes them, directly into the database: through the API this would take minutes. */
function* seedRows(
  ids: readonly string[],
  hostOf: (index: number) => string,
): Generator<{ table: string; columns: string; rows: unknown[][] }> {
  for (let at = 0; at < ids.length; at += ROWS) {
    const part = ids.slice(at, at + ROWS);
    const routers = part.map((id, index) => [
      id,
      `r${at + index}`,
      `p${(at + index) % 1000}`,
      hostOf(at + index),
      `n${at + index}`,
      1,
      AT,
      AT,
    ]);
    yield { table: 'routers', columns: 'id, name, project_id, host, netns, revision, created_at, updated_at', rows: routers };
    for (let port = 1; port <= HELPERS_EACH; port++) {
      const helpers = part.map((id) => [randomUUID(), id, 'tcp', port, 'ftp', '', AT]);
      yield { table: 'conntrack_helpers', columns: 'id, router_id, protocol, port, helper, scope, created_at', rows: helpers };
    }
  }
}

export async function seedSqlite(ids: readonly string[], { hostOf = elsewhere }: SeedOptions = {}): Promise<Seeded> {
  const server = await ServerProcess.start();
  const database = new Database(server.database);
  database.exec('begin');
  for (const { table, columns, rows } of seedRows(ids, hostOf)) {
    const places = rows.map((row) => `(${row.map(() => '?').join(',')})`).join(',');
    database.prepare(`insert into ${table} (${columns}) values ${places}`).run(rows.flat());
  }
  database.exec('commit; pragma wal_checkpoint(truncate); analyze');
  database.close();
  return { server, close: () => server.stop() };
}

export async function seedPostgres(ids: readonly string[], { hostOf = elsewhere, config = '' }: SeedOptions = {}): Promise<Seeded> {
  const cluster = await new PostgresCluster().start(['shared_buffers=1GB']);
  const url = await newDatabase(cluster.url());
  const server = await ServerProcess.start(`database:\n  url: ${url}\n${config}`);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('begin');
  for (const { table, columns, rows } of seedRows(ids, hostOf)) {
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
