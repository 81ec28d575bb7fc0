import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter, type HelperJson, type StatusJson, showScope } from '../../client/resources.ts';
import { showNetns } from '../../contract/netns.ts';
import { NotFound } from '../../model/errors.ts';
import { type Column, print, printJson, statusStyle, table } from '../../terminal/table.ts';

const REFRESH_MS = 1_000;
const AGENT = '127.0.0.1:9798';

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

type Flags = ClientFlags & { watch?: boolean; agent?: boolean };

export async function status(router: string | undefined, flags: Flags): Promise<void> {
  const fetch = flags.agent ? ofAgent(router, flags) : await ofServer(router, flags);
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

async function ofServer(router: string | undefined, flags: Flags): Promise<() => Promise<readonly StatusJson[]>> {
  const client = new Client(flags);
  const id = router === undefined ? null : (await findRouter(client, router)).id;
  return async () =>
    id ? [await client.get<StatusJson>(`/v1/status/${id}`)] : (await client.get<{ routers: StatusJson[] }>('/v1/status')).routers;
}

/** In a cloud nobody else knows. A router is named by its id, its name or its namespace. */
function ofAgent(router: string | undefined, { url }: Flags): () => Promise<readonly StatusJson[]> {
  const client = new Client({ url: url ?? `http://${process.env['PINHOLE_AGENT_LISTEN'] ?? AGENT}`, token: '' });
  return async () => {
    const { routers } = await client.get<{ routers: StatusJson[] }>('/status');
    if (router === undefined) return routers;
    const found = routers.filter(({ router: { id, name, netns } }) => [id, name, netns].includes(router));
    if (found.length === 0) throw new NotFound('router', router);
    return found;
  };
}

function show(views: readonly StatusJson[], flags: ClientFlags): void {
  if (flags.json) printJson(views);
  else print(table(views.flatMap(rowsOf), COLUMNS));
}

function rowsOf(view: StatusJson): Row[] {
  if (view.helpers.length === 0) return [{ view, helper: null, status: '-', family: '-', reason: view.reason || 'no helpers' }];
  return view.helpers.flatMap((helper) => helper.families.map(({ family, status, reason }) => ({ view, helper, status, family, reason })));
}
