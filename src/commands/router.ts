import { Client, type ClientFlags } from '../client/client.ts';
import { findRouter, type RouterJson } from '../client/resources.ts';
import { HOST_NETNS, showNetns } from '../contract/netns.ts';
import { InvalidInput } from '../model/errors.ts';
import { type Column, print, printJson, table } from '../terminal/table.ts';

export interface RouterFlags extends ClientFlags {
  readonly netns?: string;
  readonly hostNetns?: boolean;
  readonly host?: string;
  readonly project?: string;
  readonly name?: string;
  readonly confine?: boolean;
}

const COLUMNS: readonly Column<RouterJson>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'HOST', value: ({ host }) => host ?? '-' },
  { title: 'NETNS', value: ({ netns }) => showNetns(netns) },
  { title: 'PROJECT', value: ({ project_id }) => project_id || '-' },
  { title: 'CONFINED', value: ({ confine }) => (confine ? 'yes' : 'no') },
  { title: 'REVISION', value: ({ revision }) => String(revision) },
];

export async function add(name: string, flags: RouterFlags): Promise<void> {
  show([await new Client(flags).call<RouterJson>('POST', '/v1/routers', { name, ...body(flags) })], flags, true);
}

export async function set(router: string, flags: RouterFlags): Promise<void> {
  const client = new Client(flags);
  const { id } = await findRouter(client, router);
  const name = flags.name === undefined ? {} : { name: flags.name };
  show([await client.call<RouterJson>('PUT', `/v1/routers/${id}`, { ...name, ...body(flags) })], flags, true);
}

export async function list(flags: ClientFlags): Promise<void> {
  show((await new Client(flags).get<{ routers: RouterJson[] }>('/v1/routers')).routers, flags, false);
}

export async function showOne(router: string, flags: ClientFlags): Promise<void> {
  show([await findRouter(new Client(flags), router)], flags, true);
}

export async function remove(router: string, flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const { id, name } = await findRouter(client, router);
  await client.call('DELETE', `/v1/routers/${id}`);
  if (flags.json) printJson({ deleted: id });
  else print(`router ${name || id} is gone\n`);
}

function body(flags: RouterFlags): object {
  if (flags.netns !== undefined && flags.hostNetns) throw new InvalidInput('netns', '--netns and --host-netns exclude each other.');
  const netns = flags.hostNetns ? HOST_NETNS : flags.netns;
  return {
    ...(netns === undefined ? {} : { netns }),
    ...(flags.host === undefined ? {} : { host: flags.host }),
    ...(flags.project === undefined ? {} : { project_id: flags.project }),
    ...(flags.confine === undefined ? {} : { confine: flags.confine }),
  };
}

function show(routers: readonly RouterJson[], flags: ClientFlags, one: boolean): void {
  if (flags.json) printJson(one ? routers[0] : routers);
  else print(table(routers, COLUMNS));
}
