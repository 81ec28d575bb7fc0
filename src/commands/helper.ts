import { Client, type ClientFlags } from '../client/client.ts';
import { findRouter, type HelperJson, helpersOf, helpersPath, type RouterJson, showScope } from '../client/resources.ts';
import { findHelper } from '../model/catalogue.ts';
import { InvalidInput, PinholeError } from '../model/errors.ts';
import { type Column, print, printJson, table } from '../terminal/table.ts';

export interface HelperFlags extends ClientFlags {
  readonly protocol?: string;
  readonly port?: string;
  readonly source?: string;
  readonly destination?: string;
  readonly inInterface?: string;
  readonly ttl?: string;
  readonly helper?: string;
}

interface Row extends HelperJson {
  readonly router: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'ROUTER', value: ({ router }) => router },
  { title: 'HELPER', value: ({ helper }) => helper },
  { title: 'PROTOCOL', value: ({ protocol }) => protocol },
  { title: 'PORT', value: ({ port }) => String(port) },
  { title: 'SCOPE', value: ({ scope }) => showScope(scope) || '-' },
  { title: 'UNTIL', value: ({ expires_at }) => expires_at ?? '-' },
];

/** Protocol and port are the catalogue's where the helper has one of them only. */
export async function add(router: string, helper: string, flags: HelperFlags): Promise<void> {
  const client = new Client(flags);
  const found = await findRouter(client, router);
  const made = await client.call<HelperJson>('POST', helpersPath(found.id), { helper, ...withDefaults(helper, flags), ...extras(flags) });
  show([{ ...made, router: found.name }], flags, true);
}

export async function list(router: string | undefined, flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const routers =
    router === undefined ? (await client.get<{ routers: RouterJson[] }>('/v1/routers')).routers : [await findRouter(client, router)];
  const rows: Row[] = [];
  for (const { id, name } of routers) rows.push(...(await helpersOf(client, id)).map((helper) => ({ ...helper, router: name })));
  show(rows, flags, false);
}

export async function showOne(router: string, helper: string, flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const found = await findRouter(client, router);
  show([{ ...(await findOne(client, found, helper)), router: found.name }], flags, true);
}

export async function set(router: string, helper: string, flags: HelperFlags): Promise<void> {
  const client = new Client(flags);
  const found = await findRouter(client, router);
  const { id } = await findOne(client, found, helper);
  const change = {
    ...(flags.helper === undefined ? {} : { helper: flags.helper }),
    ...(flags.protocol === undefined ? {} : { protocol: flags.protocol }),
    ...(flags.port === undefined ? {} : { port: parsePort(flags.port) }),
    ...extras(flags),
  };
  show([{ ...(await client.call<HelperJson>('PUT', helpersPath(found.id, id), change)), router: found.name }], flags, true);
}

export async function remove(router: string, helper: string, flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const found = await findRouter(client, router);
  const { id, helper: name, protocol, port } = await findOne(client, found, helper);
  await client.call('DELETE', helpersPath(found.id, id));
  if (flags.json) printJson({ deleted: id });
  else print(`helper ${name} (${protocol} port ${port}) of router ${found.name} is gone\n`);
}

/** Rules reach new connections only; this reaches those that are there. */
export async function reapply(router: string, helper: string, flags: ClientFlags): Promise<void> {
  const client = new Client(flags);
  const found = await findRouter(client, router);
  const { id, helper: name } = await findOne(client, found, helper);
  const { connections } = await client.call<{ connections: number }>('POST', `${helpersPath(found.id, id)}/reapply`);
  if (flags.json) printJson({ helper: id, connections });
  else print(`${connections} live connection${connections === 1 ? '' : 's'} of router ${found.name} got the helper ${name}\n`);
}

/** By id, or by name where the router has one helper of it: `ftp`, `sip/udp`, `ftp/tcp/2121`. */
async function findOne(client: Client, router: RouterJson, text: string): Promise<HelperJson> {
  const helpers = await helpersOf(client, router.id);
  const [name, protocol, port] = text.split('/');
  const matches = helpers.filter(
    (helper) =>
      helper.id === text ||
      (helper.helper === name &&
        (protocol === undefined || helper.protocol === protocol) &&
        (port === undefined || helper.port === Number(port))),
  );
  if (matches.length > 1)
    throw new PinholeError(
      'invalid-input',
      `router ${router.name} has ${matches.length} helpers '${text}'; use an id: ${matches.map(({ id }) => id).join(', ')}`,
    );
  if (!matches[0]) throw new PinholeError('helper-not-found', `Conntrack Helper ${text} could not be found.`);
  return matches[0];
}

function withDefaults(helper: string, flags: HelperFlags): { protocol: string; port: number } {
  const known = findHelper(helper)?.protocols;
  const usable = Object.entries(known ?? {}).filter(([, { kernel }]) => kernel !== null);
  const protocol = flags.protocol ?? (usable.length === 1 ? usable[0]?.[0] : undefined);
  if (!known && flags.protocol === undefined) throw new PinholeError('helper-not-allowed', `Conntrack Helper ${helper} is not allowed.`);
  if (protocol === undefined)
    throw new InvalidInput('protocol', `${helper} runs over ${Object.keys(known ?? {}).join(' and ')}: say which with --protocol.`);
  const port = flags.port === undefined ? known?.[protocol as 'tcp' | 'udp']?.port : parsePort(flags.port);
  if (port === undefined) throw new InvalidInput('port', `--port is needed: ${helper} has no usual port for ${protocol}.`);
  return { protocol, port };
}

function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65535)
    throw new InvalidInput('port', `--port: '${text}' is not a number from 1 to 65535.`);
  return Number(text);
}

function extras(flags: HelperFlags): object {
  const scope = { source: flags.source, destination: flags.destination, in_interface: flags.inInterface };
  const scoped = Object.values(scope).some((value) => value !== undefined);
  return {
    ...(scoped ? { scope } : {}),
    ...(flags.ttl === undefined ? {} : { expires_at: new Date(Date.now() + parseTtl(flags.ttl)).toISOString() }),
  };
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseTtl(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (!count || !unit || Number(count) === 0) throw new InvalidInput('ttl', `--ttl: '${text}' is not a time like 90s, 30m, 12h or 7d.`);
  return Number(count) * (UNITS[unit] as number);
}

function show(rows: readonly Row[], flags: ClientFlags, one: boolean): void {
  if (flags.json) printJson(one ? rows[0] : rows);
  else print(table(rows, COLUMNS));
}
