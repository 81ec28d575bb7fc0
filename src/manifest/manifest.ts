import { readFileSync } from 'node:fs';
import { type Document, isNode, LineCounter } from 'yaml';
import type { HelperJson, RouterJson, ScopeJson } from '../client/resources.ts';
import { parseYaml } from '../formats/yaml.ts';
import { findHelper } from '../model/catalogue.ts';
import { parseScope } from '../model/conntrack-helper.ts';
import { InvalidInput, PinholeError } from '../model/errors.ts';
import { HOST_NETNS, parseNetns } from '../model/netns.ts';
import { Reader } from '../model/reader.ts';

/** A file of routers and their helpers, for `apply`, `diff` and `export`. */
export interface Manifest {
  readonly routers: readonly ManifestRouter[];
}

export interface ManifestRouter {
  readonly name: string;
  readonly netns: string | null;
  readonly host: string | null;
  readonly project: string | null;
  readonly confine: boolean;
  readonly helpers: readonly ManifestHelper[];
}

export interface ManifestHelper {
  readonly helper: string;
  readonly protocol: string;
  readonly port: number;
  readonly scope: ScopeJson | null;
}

const MAX_FILE = 8 * 1024 * 1024;
const MAX_ROUTERS = 10_000;
const MAX_HELPERS = 1_000;

/** @throws InvalidInput naming file, line and field */
export function readManifest(file: string): Manifest {
  const text = readText(file);
  const lines = new LineCounter();
  const refuse = (line: number, problem: string) => new InvalidInput('file', `${file}:${line}: ${problem}`);
  const document = parseYaml(text, { lineCounter: lines, uniqueKeys: true, refuse });
  try {
    return parseManifest(document.toJS({ maxAliasCount: 0 }));
  } catch (error) {
    if (!(error instanceof PinholeError)) throw new InvalidInput('file', `${file}: ${(error as Error).message}`);
    const field = error.details.field ?? '';
    const message = error.message.startsWith(field) ? error.message : `${field}: ${error.message}`;
    throw new InvalidInput(field, `${file}:${lineOf(document, lines, field)}: ${message}`);
  }
}

function readText(file: string): string {
  try {
    const text = readFileSync(file === '-' ? 0 : file);
    if (text.length > MAX_FILE) throw new InvalidInput('file', `${file}: is larger than ${MAX_FILE} bytes.`);
    return new TextDecoder('utf-8', { fatal: true }).decode(text);
  } catch (error) {
    if (error instanceof PinholeError) throw error;
    if (error instanceof TypeError) throw new InvalidInput('file', `${file}: is not UTF-8.`);
    throw new InvalidInput('file', `${file}: cannot be read: ${(error as NodeJS.ErrnoException).code ?? error}`);
  }
}

/** Line of the field that a path like `routers[0].helpers[1].port` names, or of the nearest thing around it. */
function lineOf(document: Document, lines: LineCounter, path: string): number {
  const keys = [...path.matchAll(/[^.[\]]+/g)].map(([key]) => (/^\d+$/.test(key) ? Number(key) : key));
  for (let length = keys.length; length > 0; length--) {
    const node = document.getIn(keys.slice(0, length), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}

/** @throws PinholeError whose `details.field` is the path of what is wrong */
export function parseManifest(value: unknown): Manifest {
  const top = new Reader(value, '').object('routers');
  const list = new Reader(
    top.routers.use((inner) => inner),
    'routers',
  );
  const routers = list.array(MAX_ROUTERS, readRouter);
  const seen = new Set<string>();
  routers.forEach(({ name }, index) => {
    if (seen.has(name)) new Reader(name, `routers[${index}].name`).fail('a name that no other router of this file has');
    seen.add(name);
  });
  return { routers };
}

function readRouter(reader: Reader): ManifestRouter {
  const fields = reader.object('name', 'netns', 'host_netns', 'host', 'project', 'confine', 'helpers');
  const hostNetns = fields.host_netns.nullable((value) => value.boolean()) ?? false;
  const netns = fields.netns.nullable((value) => value.use((text) => parseNetns(text, value.path)));
  if (hostNetns && netns !== null) fields.netns.fail('nothing beside host_netns');
  return {
    name: fields.name.string(255, /./),
    netns: hostNetns ? HOST_NETNS : netns,
    host: fields.host.nullable((value) => value.string(255)),
    project: fields.project.nullable((value) => value.string(255)),
    confine: fields.confine.nullable((value) => value.boolean()) ?? false,
    helpers: fields.helpers.nullable((value) => value.array(MAX_HELPERS, readHelper)) ?? [],
  };
}

function readHelper(reader: Reader): ManifestHelper {
  const fields = reader.object('helper', 'protocol', 'port', 'source', 'destination', 'in_interface');
  const helper = fields.helper.string(64);
  const known = findHelper(helper) ?? fields.helper.fail('a helper of the catalogue');
  const usable = Object.entries(known.protocols).filter(([, { kernel }]) => kernel !== null);
  const only = usable.length === 1 ? usable[0]?.[0] : undefined;
  const protocol =
    fields.protocol.nullable((value) => value.oneOf('tcp', 'udp')) ??
    only ??
    fields.protocol.fail(`a protocol: ${helper} runs over ${Object.keys(known.protocols).join(' and ')}`);
  const port =
    fields.port.nullable((value) => value.integer(1, 65535)) ??
    known.protocols[protocol as 'tcp' | 'udp']?.port ??
    fields.port.fail(`a port: ${helper} has no usual one for ${protocol}`);
  const text = (field: Reader) => field.nullable((value) => value.string(64));
  const given = { source: text(fields.source), destination: text(fields.destination), in_interface: text(fields.in_interface) };
  return { helper, protocol, port, scope: scopeOf(given, reader.path) };
}

function scopeOf(given: ScopeJson, path: string): ScopeJson | null {
  try {
    const scope = parseScope(given);
    return scope && { source: scope.source, destination: scope.destination, in_interface: scope.inInterface };
  } catch (error) {
    if (!(error instanceof PinholeError)) throw error;
    throw new InvalidInput(`${path}.${error.details.field}`, error.message);
  }
}

/** What the API would be told: data, in the order in which it is done. */
export type Step =
  | { readonly step: 'create-router'; readonly router: string; readonly fields: ManifestRouter }
  | {
      readonly step: 'update-router';
      readonly router: string;
      readonly id: string;
      readonly fields: ManifestRouter;
      readonly changes: readonly string[];
    }
  | { readonly step: 'delete-router'; readonly router: string; readonly id: string }
  | { readonly step: 'create-helper'; readonly router: string; readonly helper: ManifestHelper }
  | { readonly step: 'delete-helper'; readonly router: string; readonly id: string; readonly helper: ManifestHelper };

export interface Declared {
  readonly router: RouterJson;
  readonly helpers: readonly HelperJson[];
}

/**
 * From what is declared to what the file says. Idempotent: of what is already so, no step. What the file does not name is
 * left alone, unless `prune`.
 */
export function planSteps(manifest: Manifest, declared: readonly Declared[], prune: boolean): Step[] {
  const byName = new Map(declared.map((item) => [item.router.name, item]));
  const steps = manifest.routers.flatMap((wanted) => stepsOfRouter(wanted, byName.get(wanted.name), prune));
  if (!prune) return steps;
  const named = new Set(manifest.routers.map(({ name }) => name));
  const gone = declared.filter(({ router }) => !named.has(router.name));
  // First: a router that has another name in the file takes the namespace of the old one, which only one router may have.
  return [...gone.map(({ router }): Step => ({ step: 'delete-router', router: router.name, id: router.id })), ...steps];
}

function stepsOfRouter(wanted: ManifestRouter, found: Declared | undefined, prune: boolean): Step[] {
  const router = wanted.name;
  const steps: Step[] = found ? updateSteps(wanted, found.router) : [{ step: 'create-router', router, fields: wanted }];
  const want = new Map(wanted.helpers.map((helper) => [helperKey(helper), helper]));
  for (const helper of found?.helpers ?? []) {
    const known = want.delete(helperKey(helper));
    if (!known && prune) steps.push({ step: 'delete-helper', router, id: helper.id, helper });
  }
  return [...steps, ...[...want.values()].map((helper): Step => ({ step: 'create-helper', router, helper }))];
}

function updateSteps(wanted: ManifestRouter, found: RouterJson): Step[] {
  const changes = routerChanges(wanted, found);
  return changes.length > 0 ? [{ step: 'update-router', router: wanted.name, id: found.id, fields: wanted, changes }] : [];
}

function routerChanges(wanted: ManifestRouter, found: RouterJson): string[] {
  const changes: string[] = [];
  if (wanted.netns !== found.netns) changes.push('netns');
  if (wanted.host !== null && wanted.host !== found.host) changes.push('host');
  if (wanted.project !== null && wanted.project !== found.project_id) changes.push('project');
  if (wanted.confine !== (found.confine !== false)) changes.push('confine');
  return changes;
}

function helperKey({ helper, protocol, port, scope }: ManifestHelper): string {
  return JSON.stringify([protocol, port, helper, scope?.source ?? null, scope?.destination ?? null, scope?.in_interface ?? null]);
}

/** What `export` writes and `apply` reads back to the same. */
export function toManifest(declared: readonly Declared[]): object {
  return {
    routers: declared.map(({ router, helpers }) => ({
      name: router.name,
      ...(router.netns === HOST_NETNS ? { host_netns: true } : router.netns === null ? {} : { netns: router.netns }),
      ...(router.host === null ? {} : { host: router.host }),
      ...(router.project_id === '' ? {} : { project: router.project_id }),
      ...(router.confine ? { confine: true } : {}),
      helpers: helpers.map(({ helper, protocol, port, scope }) => ({
        helper,
        protocol,
        port,
        ...Object.fromEntries(Object.entries(scope ?? {}).filter(([, value]) => value !== null)),
      })),
    })),
  };
}
