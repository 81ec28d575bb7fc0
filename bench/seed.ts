import { newDatabase, PostgresCluster } from '../test/support/postgres.ts';
import { insertPostgres, insertSqlite, type SeedRows } from '../test/support/seed-rows.ts';
import { ServerProcess } from './server-process.ts';

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

function rowsOf(ids: readonly string[], { hostOf = elsewhere }: SeedOptions): SeedRows {
  return { ids, hostOf, projectOf: (index) => `p${index % 1000}`, helpersEach: 4 };
}

export async function seedSqlite(ids: readonly string[], options: SeedOptions = {}): Promise<Seeded> {
  const server = await ServerProcess.start();
  insertSqlite(server.database, rowsOf(ids, options));
  return { server, close: () => server.stop() };
}

export async function seedPostgres(ids: readonly string[], options: SeedOptions = {}): Promise<Seeded> {
  const cluster = await new PostgresCluster().start(['shared_buffers=1GB']);
  const url = await newDatabase(cluster.url());
  const server = await ServerProcess.start(`database:\n  url: ${url}\n${options.config ?? ''}`);
  await insertPostgres(url, rowsOf(ids, options));
  return {
    server,
    close: async () => {
      await server.stop();
      await cluster.stop();
    },
  };
}
