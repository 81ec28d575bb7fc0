import type { Answer } from '../../client/answer.ts';
import type { ClientFlags } from '../../client/client.ts';
import type { QuotaView } from '../../contract/quota.ts';
import { type Column, print, printJson, table } from '../../terminal/table.ts';

interface Row {
  readonly what: string;
  readonly used: number;
  /** -1: none. */
  readonly limit: number;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'WHAT', value: ({ what }) => what },
  { title: 'USED', value: ({ used }) => String(used) },
  { title: 'LIMIT', value: ({ limit }) => (limit < 0 ? 'none' : String(limit)) },
];

/** Path of a project's quotas in the API, with the project's id escaped. */
export function quotaPath(project: string): string {
  return `/v1/quotas/${encodeURIComponent(project)}`;
}

/** Prints quotas as a table, one row for each kind of object; with `--json`, the API's object. */
export function showQuota({ value, json }: Answer<QuotaView>, flags: ClientFlags): void {
  const rows = [
    { what: 'routers', ...value.routers },
    { what: 'conntrack helpers', ...value.helpers },
  ];
  if (flags.json) printJson(json);
  else print(table(rows, COLUMNS));
}
