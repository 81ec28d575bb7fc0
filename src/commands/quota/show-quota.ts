import type { ClientFlags } from '../../client/client.ts';
import { type Column, print, printJson, table } from '../../terminal/table.ts';

/** What the API says of a project's quotas. A limit below 0 is none. */
export interface QuotaJson {
  readonly project_id: string;
  readonly routers: { used: number; limit: number };
  readonly helpers: { used: number; limit: number };
}

interface Row {
  readonly what: string;
  readonly used: number;
  readonly limit: number;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'WHAT', value: ({ what }) => what },
  { title: 'USED', value: ({ used }) => String(used) },
  { title: 'LIMIT', value: ({ limit }) => (limit < 0 ? 'none' : String(limit)) },
];

/** Path of a project's quotas in the API. */
export function quotaPath(project: string): string {
  return `/v1/quotas/${encodeURIComponent(project)}`;
}

/** Prints quotas as a table, or as JSON. */
export function showQuota(quota: QuotaJson, flags: ClientFlags): void {
  const rows = [
    { what: 'routers', ...quota.routers },
    { what: 'conntrack helpers', ...quota.helpers },
  ];
  if (flags.json) printJson(quota);
  else print(table(rows, COLUMNS));
}
