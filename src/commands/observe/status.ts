import { setTimeout as sleep } from 'node:timers/promises';
import { ANY_NUMBER, type Answer, kept } from '../../client/answer.ts';
import { Client, type ClientFlags } from '../../client/client.ts';
import { findRouter, pages, STATUS_VIEW, type StatusView } from '../../client/resources.ts';
import { AGENT, KERNEL_STATE } from '../../contract/agent.ts';
import { list, nullable } from '../../contract/compounds.ts';
import { record } from '../../contract/record.ts';
import { InvalidInput, NotFound, PinholeError, Reported } from '../../model/errors.ts';
import { lineWidth } from '../../terminal/lines.ts';
import { print, printJson } from '../../terminal/table.ts';
import { type HostFact, statusText } from './status-text.ts';

const REFRESH_MS = 1_000;
/** Where an agent listens by default. */
const AGENT_ADDRESS = '127.0.0.1:9798';

const VIEW = kept(STATUS_VIEW);
const { host, alive, seenAt, kernel } = AGENT.fields;
const AGENTS = record({ agents: list(record({ host, alive, seenAt, kernel }), ANY_NUMBER) });
const OF_AGENT = record({ host, kernel: nullable(KERNEL_STATE), routers: list(VIEW, ANY_NUMBER) });
type View = Answer<StatusView>;

/** What there is to show: routers, and what is known of their hosts. */
interface Found {
  readonly views: readonly View[];
  readonly hosts: readonly HostFact[];
}

export type StatusFlags = ClientFlags & {
  watch?: boolean;
  agent?: boolean;
  problems?: boolean;
  check?: boolean;
  host?: string;
  helper?: string;
  selector?: string;
};

/**
 * Prints what became of each helper: its status in each address family, and why. Problems come first. With `--watch`, prints again
 * whenever something changed, until interrupted.
 * @throws Reported, for the exit status 1, with `--check` where something is wrong; NotFound for a router that the agent does not serve
 * (`--agent`); PinholeError as {@link findRouter}
 */
export async function status(router: string | undefined, flags: StatusFlags): Promise<void> {
  const fetch = flags.agent ? ofAgent(router, flags) : await ofServer(router, flags);
  if (!flags.watch) return show(chosen(await fetch(), flags), flags);
  for (let last = ''; ; await sleep(REFRESH_MS)) {
    const found = chosen(await fetch(), flags);
    const text = JSON.stringify([found.views.map(({ json }) => json), found.hosts], withoutTimes);
    if (text === last) continue;
    last = text;
    if (process.stdout.isTTY && !flags.json) print('\u001b[2J\u001b[H');
    show(found, flags);
  }
}

async function ofServer(router: string | undefined, flags: StatusFlags): Promise<() => Promise<Found>> {
  const client = new Client(flags);
  if (router !== undefined && flags.selector !== undefined)
    throw new InvalidInput('selector', 'Name a router, or labels with -l, and not both.');
  const id = router === undefined ? null : (await findRouter(client, router)).value.id;
  return async () => {
    const views = id ? [await client.read(VIEW, 'GET', `/v1/status/${id}`)] : await pages(client, '/v1/status', { shape: VIEW, ...flags });
    const named = new Set(views.map(({ value }) => value.router.host));
    return { views, hosts: (await hostFacts(client)).filter((one) => id === null || named.has(one.host)) };
  };
}

/** What the server knows of hosts; nothing for a token that may not see them. */
async function hostFacts(client: Client): Promise<HostFact[]> {
  try {
    const { agents } = await client.read(AGENTS, 'GET', '/v1/agents');
    return agents.map(({ alive: isAlive, seenAt: seen, ...rest }) => ({ ...rest, silentSince: isAlive ? null : seen }));
  } catch (error) {
    if (error instanceof PinholeError && error.code === 'denied') return [];
    throw error;
  }
}

/**
 * Asks the agent of this host. In a cloud there is no server of Pinhole's to ask. A router is named by its id, its name or its
 * namespace.
 */
function ofAgent(router: string | undefined, { url }: StatusFlags): () => Promise<Found> {
  const client = new Client({ url: url ?? `http://${process.env['PINHOLE_AGENT_LISTEN'] ?? AGENT_ADDRESS}`, token: '' });
  return async () => {
    const { routers, ...rest } = await client.read(OF_AGENT, 'GET', '/status');
    const hosts = [{ ...rest, silentSince: null }];
    if (router === undefined) return { views: routers, hosts };
    const views = routers.filter(({ value: { router: one } }) => [one.id, one.name, one.netns].includes(router));
    if (views.length === 0) throw new NotFound('router', router);
    return { views, hosts };
  };
}

/** What the flags ask for: of one host, of one helper. */
function chosen({ views, hosts }: Found, flags: StatusFlags): Found {
  const isHost = (name: string | null) => flags.host === undefined || name === flags.host;
  const kept = views.filter(({ value }) => isHost(value.router.host)).flatMap((view) => withHelper(view, flags.helper) ?? []);
  return { views: kept, hosts: hosts.filter((one) => isHost(one.host)) };
}

/** The view with the helpers of one name only; null where it has none. */
function withHelper({ value, json }: View, name: string | undefined): View | null {
  if (name === undefined) return { value, json };
  const helpers = value.helpers.filter(({ helper }) => helper === name);
  const ids = new Set(helpers.map(({ id }) => id as string));
  if (helpers.length === 0) return null;
  const all = json['helpers'] as readonly { readonly id: string }[];
  return { value: { ...value, helpers }, json: { ...json, helpers: all.filter(({ id }) => ids.has(id)) } };
}

function show({ views, hosts }: Found, flags: StatusFlags): void {
  const { text, problems } = statusText(
    views.map(({ value }) => value),
    hosts,
    { onlyProblems: flags.problems === true, now: new Date(), width: lineWidth() },
  );
  const wrong = views.filter(({ value }) => value.helpers.some(({ families }) => families.some((one) => one.status !== 'ACTIVE')));
  if (flags.json) printJson((flags.problems ? wrong : views).map(({ json }) => json));
  else print(text);
  if (flags.check && problems > 0) throw new Reported('internal', `${problems} ${problems === 1 ? 'problem' : 'problems'} found`);
}

/** Times pass by themselves: they are no change. */
function withoutTimes(key: string, value: unknown): unknown {
  return ['verified_at', 'reported_at', 'seenAt'].includes(key) ? undefined : value;
}
