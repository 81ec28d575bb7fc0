import type { Answer } from '../../client/answer.ts';
import type { ClientFlags } from '../../client/client.ts';
import type { Helper } from '../../client/resources.ts';
import { formatScope } from '../../contract/scope.ts';
import { type NarrowColumn, narrowTable } from '../../terminal/narrow.ts';
import { print, printJson } from '../../terminal/table.ts';

/** A helper with the name of its router. */
export interface HelperRow {
  readonly router: string;
  readonly helper: Answer<Helper>;
}

interface Row extends Helper {
  readonly router: string;
}

const COLUMNS: readonly NarrowColumn<Row>[] = [
  { title: 'ID', value: ({ id }) => id, below: true },
  { title: 'ROUTER', value: ({ router }) => router, cut: true },
  { title: 'HELPER', value: ({ helper }) => helper },
  { title: 'PROTOCOL', value: ({ protocol }) => protocol },
  { title: 'PORT', value: ({ port }) => String(port) },
  { title: 'SCOPE', value: ({ scope }) => formatScope(scope) || '-', below: true },
  { title: 'UNTIL', value: ({ expiresAt }) => expiresAt ?? '-', below: true },
];

/** Prints helpers as a table; with `--json`, an array of the API's objects, each with the router's name as `router`. */
export function showHelpers(rows: readonly HelperRow[], flags: ClientFlags): void {
  if (flags.json) printJson(rows.map(jsonOf));
  else print(tableOf(rows));
}

/** Prints one helper as a table; with `--json`, the API's object with the router's name as `router`. */
export function showHelper(row: HelperRow, flags: ClientFlags): void {
  if (flags.json) printJson(jsonOf(row));
  else print(tableOf([row]));
}

/** The API's object of a helper, with the router's name as `router`. */
export function jsonOf({ router, helper }: HelperRow): object {
  return { ...helper.json, router };
}

function tableOf(rows: readonly HelperRow[]): string {
  return narrowTable(
    rows.map(({ router, helper }) => ({ ...helper.value, router })),
    COLUMNS,
  );
}
