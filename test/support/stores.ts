import { inject } from 'vitest';
import { newDatabase } from './postgres.ts';

/** The stores that all behaviour tests loop over. */
export const STORES = ['sqlite', 'postgres'] as const;

export type StoreName = (typeof STORES)[number];

/** Configuration of a database of the test's own; empty for the embedded one. */
export async function databaseYaml(store: StoreName): Promise<string> {
  return store === 'sqlite' ? '' : `database:\n  url: ${await newDatabase(inject('postgresUrl'))}\n`;
}
