import { randomUUID } from 'node:crypto';
import Database from 'better-sqlite3';
import pg from 'pg';

const AT = '2026-01-01T00:00:00.000Z';
const ROWS = 500;

/** Routers with helpers for ftp, as the server writes them: through the API they would take minutes. */
export interface SeedRows {
  readonly ids: readonly string[];
  /** Of the router with an index. */
  readonly hostOf: (index: number) => string;
  readonly projectOf: (index: number) => string;
  /** Each has that many, on ports from 1. */
  readonly helpersEach: number;
  /** Of the names of routers and namespaces. Default: none. */
  readonly prefix?: string;
}

/** The network namespace of the router with an index. */
export function namespaceOf(index: number): string {
  return `n${index}`;
}

function* rowsOf({
  ids,
  hostOf,
  projectOf,
  helpersEach,
  prefix = '',
}: SeedRows): Generator<{ table: string; columns: string; rows: unknown[][] }> {
  for (let at = 0; at < ids.length; at += ROWS) {
    const part = ids.slice(at, at + ROWS);
    const routers = part.map((id, offset) => {
      const index = at + offset;
      return [id, `${prefix}r${index}`, projectOf(index), hostOf(index), `${prefix}${namespaceOf(index)}`, 1, AT, AT];
    });
    yield { table: 'routers', columns: 'id, name, project_id, host, netns, revision, created_at, updated_at', rows: routers };
    for (let port = 1; port <= helpersEach; port++) {
      const helpers = part.map((id) => [randomUUID(), id, 'tcp', port, 'ftp', '', AT]);
      yield { table: 'conntrack_helpers', columns: 'id, router_id, protocol, port, helper, scope, created_at', rows: helpers };
    }
  }
}

/** Inserts them into the database of a server that runs, in one transaction. */
export function insertSqlite(path: string, seed: SeedRows): void {
  const database = new Database(path);
  database.exec('begin');
  for (const { table, columns, rows } of rowsOf(seed)) {
    const places = rows.map((row) => `(${row.map(() => '?').join(',')})`).join(',');
    database.prepare(`insert into ${table} (${columns}) values ${places}`).run(rows.flat());
  }
  database.exec('commit; pragma wal_checkpoint(truncate); analyze');
  database.close();
}

/** The same in PostgreSQL. */
export async function insertPostgres(url: string, seed: SeedRows): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('begin');
  for (const { table, columns, rows } of rowsOf(seed)) {
    let next = 1;
    const places = rows.map((row) => `(${row.map(() => `$${next++}`).join(',')})`).join(',');
    await client.query(`insert into ${table} (${columns}) values ${places}`, rows.flat());
  }
  await client.query('commit');
  await client.query('vacuum analyze');
  await client.query('checkpoint');
  await client.end();
}
