import { parseNetwork } from '../model/address.ts';
import { KERNEL_HELPERS } from '../model/catalogue.ts';
import { attempt, PinholeError, type Result } from '../model/errors.ts';
import { parseNetns } from '../model/netns.ts';
import { Reader } from '../model/reader.ts';
import { type Action, type Chain, type HelperObject, type Match, parseStamp, type Rule, type Table } from '../model/table.ts';
import { MAX_FRAME } from '../sockets/frames.ts';
import type { AttachSelector, LiveChange, ObserveRequest, StripSelector, TableChange, Version } from './interface.ts';

/**
 * What may cross the kernel process's socket. It trusts nobody: whatever the agent has checked is checked here again, and
 * only tables of Pinhole's own shape get through: known helper types under their own names, assignment in `prerouting` and
 * `output`, drops in `data-*` chains that only related packets reach.
 */
export const MAX_BATCH = 256;
/** Bytes of an answer: tables as they stand may say more than tables as they are sent. */
export const MAX_ANSWER = 2 * MAX_FRAME;
const MAX_RULES = 4096;
const MAX_ENTRIES = 2000;
const MAX_CHAINS = 16;
const CHAIN_NAME = /^[a-z][a-z0-9-]{0,30}$/;
const OBJECT_NAME = /^[a-z][a-z0-9-]{0,30}$/;

/** Items of a batch that are no valid request are errors of their own; the others are carried out. */
export type KernelRequest =
  | { readonly method: 'capabilities' | 'namespaces' }
  | { readonly method: 'observe'; readonly items: readonly Result<ObserveRequest>[] }
  | { readonly method: 'apply'; readonly items: readonly Result<TableChange>[] }
  | { readonly method: 'changeLive'; readonly netns: string; readonly change: LiveChange }
  | { readonly method: 'expectations' | 'allRules'; readonly netns: string }
  | { readonly method: 'watchExpectations'; readonly on: boolean };

/** @throws PinholeError `invalid-message` naming the field */
export function parseRequest(value: unknown): { id: number; request: KernelRequest } {
  const { id, request } = new Reader(value, 'message').object('id', 'request');
  return { id: id.integer(0, Number.MAX_SAFE_INTEGER), request: readRequest(request) };
}

function readRequest(reader: Reader): KernelRequest {
  const any = reader.object('method', 'items', 'netns', 'change', 'on');
  const method = any.method.oneOf(
    'capabilities',
    'namespaces',
    'observe',
    'apply',
    'changeLive',
    'expectations',
    'allRules',
    'watchExpectations',
  );
  switch (method) {
    case 'observe':
      return { method, items: any.items.array(MAX_BATCH, (item) => attempt(() => readObserve(item))) };
    case 'apply':
      return { method, items: any.items.array(MAX_BATCH, (item) => attempt(() => readChange(item))) };
    case 'changeLive':
      return { method, netns: readNetns(any.netns), change: readLiveChange(any.change) };
    case 'expectations':
    case 'allRules':
      return { method, netns: readNetns(any.netns) };
    case 'watchExpectations':
      return { method, on: any.on.boolean() };
    default:
      return { method };
  }
}

function readNetns(reader: Reader): string {
  return reader.use((value) => parseNetns(value, reader.path));
}

function readObserve(reader: Reader): ObserveRequest {
  const fields = reader.object('netns', 'known');
  return { netns: readNetns(fields.netns), known: fields.known.nullable(readVersion) };
}

function readVersion(reader: Reader): Version {
  const fields = reader.object('cookie', 'generation');
  return { cookie: fields.cookie.string(20, /^\d+$/), generation: fields.generation.integer(0, 0xffffffff) };
}

function readChange(reader: Reader): TableChange {
  const fields = reader.object('netns', 'table');
  return { netns: readNetns(fields.netns), table: fields.table.nullable(readTable) };
}

function readLiveChange(reader: Reader): LiveChange {
  const { action, selectors } = reader.object('action', 'selectors');
  return action.oneOf('strip', 'attach') === 'strip'
    ? { action: 'strip', selectors: selectors.array(MAX_ENTRIES, readStrip) }
    : { action: 'attach', selectors: selectors.array(MAX_ENTRIES, readAttach) };
}

/** A helper of the catalogue only, over a protocol and in families that it has. */
function readAttach(reader: Reader): AttachSelector {
  const fields = reader.object('protocol', 'port', 'type', 'families', 'source', 'destination');
  const [protocol, port, type] = [readProtocol(fields.protocol), readPort(fields.port), readType(fields.type)];
  const known = KERNEL_HELPERS.find((helper) => helper.type === type && helper.protocol === protocol);
  if (!known || known.localOnly) return fields.type.fail('a helper of the catalogue that forwarded connections may have');
  const families = fields.families.array(2, (family) => family.oneOf('ipv4', 'ipv6'));
  if (families.some((family) => !known.families.includes(family))) fields.families.fail('families that the helper has');
  return { protocol, port, type, families, source: fields.source.nullable(readCidr), destination: fields.destination.nullable(readCidr) };
}

function readCidr(reader: Reader): string {
  const cidr = reader.string(64);
  parseNetwork(cidr, reader.path);
  return cidr;
}

function readStrip(reader: Reader): StripSelector {
  const fields = reader.object('protocol', 'port', 'type');
  return { protocol: readProtocol(fields.protocol), port: readPort(fields.port), type: readType(fields.type) };
}

/** @throws PinholeError `invalid-message` unless this is a whole table of Pinhole's own shape */
export function readTable(reader: Reader): Table {
  const fields = reader.object('comment', 'objects', 'chains');
  const comment = fields.comment.string(128);
  if (!parseStamp(comment)) fields.comment.fail('a stamp');
  const objects = fields.objects.array(KERNEL_HELPERS.length, readObject);
  const chains = fields.chains.array(MAX_CHAINS, readChain);
  const table = { comment, objects, chains };
  checkShape(table, reader.path);
  return table;
}

function readObject(reader: Reader): HelperObject {
  const fields = reader.object('name', 'type', 'protocol', 'family');
  const object = {
    name: fields.name.string(31, OBJECT_NAME),
    type: readType(fields.type),
    protocol: readProtocol(fields.protocol),
    family: fields.family.oneOf('inet', 'ip', 'ip6'),
  };
  const known = KERNEL_HELPERS.find(({ object: name }) => name === object.name);
  if (known?.type !== object.type || known.protocol !== object.protocol) reader.fail('a helper of the catalogue under its own name');
  return object;
}

function readChain(reader: Reader): Chain {
  const fields = reader.object('name', 'base', 'rules');
  const base = fields.base.nullable((value) => {
    const { hook, priority } = value.object('hook', 'priority');
    return { hook: hook.oneOf('prerouting', 'forward', 'output'), priority: priority.integer(-199, 199) };
  });
  const chain = { name: fields.name.string(31, CHAIN_NAME), rules: fields.rules.array(MAX_RULES, readRule) };
  return base ? { ...chain, base } : chain;
}

function readRule(reader: Reader): Rule {
  const fields = reader.object('matches', 'action');
  return { matches: fields.matches.array(8, readMatch), action: readAction(fields.action) };
}

function readMatch(reader: Reader): Match {
  const any = reader.object('kind', 'state', 'not', 'protocol', 'side', 'cidr', 'name', 'port', 'ports', 'perSecond', 'burst');
  const kind = any.kind.oneOf('ct-state', 'l4proto', 'address', 'in-interface', 'dport', 'dport-below', 'dport-in', 'rate-over');
  switch (kind) {
    case 'ct-state':
      return { kind, state: any.state.oneOf('new', 'related') };
    case 'l4proto':
      return { kind, not: any.not.boolean(), protocol: any.protocol.oneOf('tcp', 'udp', 'gre') };
    case 'address': {
      return { kind, side: any.side.oneOf('source', 'destination'), cidr: readCidr(any.cidr) };
    }
    case 'in-interface':
      return { kind, name: any.name.string(15, /^[A-Za-z0-9_.:@-]+$/) };
    case 'dport':
    case 'dport-below':
      return { kind, protocol: readProtocol(any.protocol), port: readPort(any.port) };
    case 'dport-in':
      return { kind, protocol: readProtocol(any.protocol), ports: any.ports.array(MAX_ENTRIES, readPort) };
    case 'rate-over':
      return { kind, perSecond: any.perSecond.integer(1, 1_000_000), burst: any.burst.integer(1, 1_000_000) };
  }
}

function readAction(reader: Reader): Action {
  const any = reader.object('kind', 'object', 'protocol', 'entries', 'chain');
  const kind = any.kind.oneOf('set-helper', 'map-helper', 'jump', 'jump-by-helper', 'drop');
  switch (kind) {
    case 'set-helper':
      return { kind, object: any.object.string(31, OBJECT_NAME) };
    case 'map-helper':
      return {
        kind,
        protocol: readProtocol(any.protocol),
        entries: any.entries.array(MAX_ENTRIES, (entry) => readPair(entry, readPort, readObjectName)),
      };
    case 'jump':
      return { kind, chain: any.chain.string(31, CHAIN_NAME) };
    case 'jump-by-helper':
      return { kind, entries: any.entries.array(64, (entry) => readPair(entry, readType, (value) => value.string(31, CHAIN_NAME))) };
    case 'drop':
      return { kind };
  }
}

function readPair<A, B>(reader: Reader, first: (reader: Reader) => A, second: (reader: Reader) => B): readonly [A, B] {
  const parts = reader.array(2, (item) => item);
  if (parts.length !== 2) reader.fail('a pair');
  return [first(parts[0] as Reader), second(parts[1] as Reader)];
}

function readObjectName(reader: Reader): string {
  return reader.string(31, OBJECT_NAME);
}

function readType(reader: Reader): string {
  return reader.string(15, /^[A-Za-z0-9.-]+$/);
}

function readProtocol(reader: Reader): 'tcp' | 'udp' {
  return reader.oneOf('tcp', 'udp');
}

function readPort(reader: Reader): number {
  return reader.integer(1, 65535);
}

const DATA_CHAIN = /^data-/;

/** Base chains only jump; what they jump to only assigns (on `new`), or only drops (on `related`, by helper). */
function checkShape(table: Table, path: string): void {
  const refuse = (chain: Chain, why: string): never => {
    throw new PinholeError('invalid-message', `${path}: chain ${chain.name}: ${why}`, { details: { field: path } });
  };
  const plain = new Map(table.chains.filter((chain) => !chain.base).map((chain) => [chain.name, chain]));
  const objects = new Set(table.objects.map(({ name }) => name));
  for (const chain of table.chains) {
    for (const { matches, action } of chain.rules) {
      const [state] = matches;
      const targets =
        action.kind === 'jump' ? [action.chain] : action.kind === 'jump-by-helper' ? action.entries.map(([, name]) => name) : [];
      if (chain.base ? targets.length === 0 : targets.length > 0) refuse(chain, 'base chains jump, others do not');
      if (targets.some((name) => !plain.has(name))) refuse(chain, 'jumps to a chain that is not there');
      const toData = targets.some((name) => DATA_CHAIN.test(name));
      const wanted = action.kind === 'jump-by-helper' ? 'related' : 'new';
      if (chain.base && (matches.length !== 1 || state?.kind !== 'ct-state' || state.state !== wanted))
        refuse(chain, `jumps on ct state ${wanted} only`);
      if (action.kind === 'jump-by-helper' ? targets.some((name) => !DATA_CHAIN.test(name)) : toData)
        refuse(chain, 'only related packets reach data chains');
      if (action.kind === 'drop' && !DATA_CHAIN.test(chain.name)) refuse(chain, 'drops in data chains only');
      if (action.kind !== 'drop' && DATA_CHAIN.test(chain.name)) refuse(chain, 'data chains only drop');
      const assigned =
        action.kind === 'set-helper' ? [action.object] : action.kind === 'map-helper' ? action.entries.map(([, name]) => name) : [];
      if (assigned.some((name) => !objects.has(name))) refuse(chain, 'assigns an object that is not there');
    }
  }
}
