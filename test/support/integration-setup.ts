import type { TestProject } from 'vitest/node';
import { PostgresCluster } from './postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** A database of a cluster that lives as long as the tests; each test makes its own beside it. */
    postgresUrl: string;
  }
}

/** One PostgreSQL for all integration tests. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cluster = await new PostgresCluster().start();
  project.provide('postgresUrl', cluster.url());
  return () => cluster.stop();
}
