import { Client, type ClientFlags } from '../client/client.ts';
import { InvalidInput } from '../model/errors.ts';
import { type Column, print, printJson, table } from '../terminal/table.ts';

interface QuotaJson {
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

export async function showOne(project: string, flags: ClientFlags): Promise<void> {
  show(await new Client(flags).get<QuotaJson>(path(project)), flags);
}

/** A limit that is not named stays; `default` is the configured one again. */
export async function set(project: string, flags: ClientFlags & { routers?: string; helpers?: string }): Promise<void> {
  const body = { routers: limit(flags.routers, 'routers'), helpers: limit(flags.helpers, 'helpers') };
  show(await new Client(flags).call<QuotaJson>('PUT', path(project), body), flags);
}

function limit(text: string | undefined, name: string): number | null | undefined {
  if (text === undefined) return undefined;
  if (text === 'default') return null;
  if (text === 'none') return -1;
  if (!/^\d{1,9}$/.test(text)) throw new InvalidInput(name, `--${name}: '${text}' is not a number, 'none' or 'default'.`);
  return Number(text);
}

function path(project: string): string {
  return `/v1/quotas/${encodeURIComponent(project)}`;
}

function show(quota: QuotaJson, flags: ClientFlags): void {
  if (flags.json) printJson(quota);
  else
    print(
      table(
        [
          { what: 'routers', ...quota.routers },
          { what: 'conntrack helpers', ...quota.helpers },
        ],
        COLUMNS,
      ),
    );
}
