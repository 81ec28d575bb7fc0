import { setTimeout as sleep } from 'node:timers/promises';
import { ANY_NUMBER, type Answer, kept } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter, STATUS_VIEW, type StatusView } from '../../client/resources.ts';
import { list } from '../../contract/compounds.ts';
import { showNetns } from '../../contract/netns.ts';
import { record } from '../../contract/record.ts';
import { formatScope } from '../../contract/scope.ts';
import { NotFound } from '../../model/errors.ts';
import { type Column, print, printJson, statusStyle, table } from '../../terminal/table.ts';

const REFRESH_MS = 1_000;
/** Where an agent listens by default. */
const AGENT = '127.0.0.1:9798';

const VIEW = kept(STATUS_VIEW);
const VIEWS = record({ routers: list(VIEW, ANY_NUMBER) });
type View = Answer<StatusView>;

/** One helper in one address family; a router without helpers has one row too. */
interface Row {
  readonly view: StatusView;
  readonly helper: StatusView['helpers'][number] | null;
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
  { title: 'REASON', value: ({ reason, helper }) => [formatScope(helper?.scope ?? null), reason].filter(Boolean).join('; ') },
];

type Flags = ClientFlags & { watch?: boolean; agent?: boolean };

/**
 * Prints what became of each helper: its status in each address family, and why.
 * With `--watch`, prints again whenever something changed, until interrupted.
 * @throws NotFound for a router that the agent does not serve (`--agent`), and PinholeError as {@link findRouter}
 */
export async function status(router: string | undefined, flags: Flags): Promise<void> {
  const fetch = flags.agent ? ofAgent(router, flags) : await ofServer(router, flags);
  if (!flags.watch) return show(await fetch(), flags);
  for (let last = ''; ; await sleep(REFRESH_MS)) {
    const views = await fetch();
    const text = JSON.stringify(views.map(({ json }) => json));
    if (text === last) continue;
    last = text;
    if (process.stdout.isTTY && !flags.json) print('\u001b[2J\u001b[H');
    show(views, flags);
  }
}

async function ofServer(router: string | undefined, flags: Flags): Promise<() => Promise<readonly View[]>> {
  const client = new Client(flags);
  const id = router === undefined ? null : (await findRouter(client, router)).value.id;
  return async () => (id ? [await client.read(VIEW, 'GET', `/v1/status/${id}`)] : (await client.read(VIEWS, 'GET', '/v1/status')).routers);
}

/**
 * Asks the agent of this host. In a cloud there is no server of Pinhole's to ask. A router is named by its id, its name or its
 * namespace.
 */
function ofAgent(router: string | undefined, { url }: Flags): () => Promise<readonly View[]> {
  const client = new Client({ url: url ?? `http://${process.env['PINHOLE_AGENT_LISTEN'] ?? AGENT}`, token: '' });
  return async () => {
    const { routers } = await client.read(VIEWS, 'GET', '/status');
    if (router === undefined) return routers;
    const found = routers.filter(({ value: { router: one } }) => [one.id, one.name, one.netns].includes(router));
    if (found.length === 0) throw new NotFound('router', router);
    return found;
  };
}

function show(views: readonly View[], flags: ClientFlags): void {
  if (flags.json) printJson(views.map(({ json }) => json));
  else
    print(
      table(
        views.flatMap(({ value }) => rowsOf(value)),
        COLUMNS,
      ),
    );
}

function rowsOf(view: StatusView): Row[] {
  if (view.helpers.length === 0) return [{ view, helper: null, status: '-', family: '-', reason: view.reason || 'no helpers' }];
  return view.helpers.flatMap((helper) => helper.families.map(({ family, status, reason }) => ({ view, helper, status, family, reason })));
}
