import type { ClientFlags } from '../../client/client.ts';
import { type HelperJson, showScope } from '../../client/resources.ts';
import { type Column, print, printJson, table } from '../../terminal/table.ts';

/** A helper with the name of its router. */
export interface HelperRow extends HelperJson {
  readonly router: string;
}

const COLUMNS: readonly Column<HelperRow>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'ROUTER', value: ({ router }) => router },
  { title: 'HELPER', value: ({ helper }) => helper },
  { title: 'PROTOCOL', value: ({ protocol }) => protocol },
  { title: 'PORT', value: ({ port }) => String(port) },
  { title: 'SCOPE', value: ({ scope }) => showScope(scope) || '-' },
  { title: 'UNTIL', value: ({ expires_at }) => expires_at ?? '-' },
];

/** Prints helpers as a table, or as a JSON array. */
export function showHelpers(rows: readonly HelperRow[], flags: ClientFlags): void {
  if (flags.json) printJson(rows);
  else print(table(rows, COLUMNS));
}

/** Prints one helper as a table, or as a JSON object. */
export function showHelper(row: HelperRow, flags: ClientFlags): void {
  if (flags.json) printJson(row);
  else showHelpers([row], flags);
}
