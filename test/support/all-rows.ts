import Database from 'better-sqlite3';
import pg from 'pg';
import { paths } from '../../src/config/config.ts';
import type { TestServer } from './test-server.ts';

const TABLES = ['routers', 'conntrack_helpers', 'tokens', 'projects'] as const;
const KEYS: Readonly<Record<(typeof TABLES)[number], string>> = {
  routers: 'id',
  conntrack_helpers: 'id',
  tokens: 'id',
  projects: 'project_id',
};

export type Rows = Readonly<Record<(typeof TABLES)[number], readonly Record<string, unknown>[]>>;

/** Reads what requests change from the database itself, behind the server's back. */
export class AllRows {
  readonly #query: (text: string) => Promise<Record<string, unknown>[]>;
  readonly #close: () => Promise<void>;

  private constructor(query: (text: string) => Promise<Record<string, unknown>[]>, close: () => Promise<void>) {
    this.#query = query;
    this.#close = close;
  }

  static async open({ config }: TestServer): Promise<AllRows> {
    const { url } = config.server.database;
    if (url === null) {
      const database = new Database(paths(config).database, { readonly: true });
      return new AllRows(
        async (text) => database.prepare(text).all() as Record<string, unknown>[],
        async () => void database.close(),
      );
    }
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return new AllRows(
      async (text) => (await client.query(text)).rows,
      () => client.end(),
    );
  }

  async read(): Promise<Rows> {
    const found: Record<string, readonly Record<string, unknown>[]> = {};
    for (const table of TABLES) found[table] = await this.#query(`select * from ${table} order by ${KEYS[table]}`);
    return found as Rows;
  }

  close(): Promise<void> {
    return this.#close();
  }
}
