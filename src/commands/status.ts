import { setTimeout as sleep } from 'node:timers/promises';
import { showNetns } from '../model/netns.ts';
import { Client, type ClientFlags } from './client.ts';
import { type Column, print, printJson, statusStyle, table } from './output/table.ts';
import { findRouter, type HelperJson, type StatusJson, showScope } from './resources.ts';

const REFRESH_MS = 1_000;

interface Row {
  readonly view: StatusJson;
  readonly helper: HelperJson | null;
  readonly status: string;
  readonly family: string;
  readonly reason: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'ROUTER', value: ({ view }) => view.router.name || view.router.id },
  { title: 'HOST', value: ({ view }) => view.router.host ?? '-' },
  { title: 'NETNS', value: ({ view }) => showNetns(view.router.netns) },
  { title: 'HELPER', value: ({ helper }) => helper?.helper ?? '-' },
  { title: 'PORT', value: ({ helper }) => (helper ? `${helper.protocol}/${helper.port}` : '-') },
  { title: 'FAMILY', value: ({ family }) => family },
  { title: 'STATUS', value: ({ status }) => status, style: ({ status }) => statusStyle(status) },
  { title: 'REASON', value: ({ reason, helper }) => [showScope(helper?.scope ?? null), reason].filter(Boolean).join('; ') },
];

export async function status(router: string | undefined, flags: ClientFlags & { watch?: boolean }): Promise<void> {
  const client = new Client(flags);
  const id = router === undefined ? null : (await findRouter(client, router)).id;
  const fetch = async () =>
    id ? [await client.get<StatusJson>(`/v1/status/${id}`)] : (await client.get<{ routers: StatusJson[] }>('/v1/status')).routers;
  if (!flags.watch) return show(await fetch(), flags);
  for (let last = ''; ; await sleep(REFRESH_MS)) {
    const views = await fetch();
    const text = JSON.stringify(views);
    if (text === last) continue;
    last = text;
    if (process.stdout.isTTY && !flags.json) print('\u001b[2J\u001b[H');
    show(views, flags);
  }
}

function show(views: readonly StatusJson[], flags: ClientFlags): void {
  if (flags.json) printJson(views);
  else print(table(views.flatMap(rowsOf), COLUMNS));
}

function rowsOf(view: StatusJson): Row[] {
  if (view.helpers.length === 0) return [{ view, helper: null, status: '-', family: '-', reason: view.reason || 'no helpers' }];
  return view.helpers.flatMap((helper) => helper.families.map(({ family, status, reason }) => ({ view, helper, status, family, reason })));
}
