import { type ItemsShape, items, list, mapped, nullable, withDefault } from '../contract/compounds.ts';
import { Mismatch } from '../contract/mismatch.ts';
import { NETNS } from '../contract/netns.ts';
import { COUNT, FAMILY, KERNEL_TYPE, NETWORK, PORT, TRANSPORT } from '../contract/primitives.ts';
import { record, tagged } from '../contract/record.ts';
import { integer, literal, text } from '../contract/scalars.ts';
import { type Of, read, type Shape } from '../contract/shape.ts';
import { KERNEL_HELPERS } from '../model/catalogue.ts';
import { MAX_WATCHED } from '../model/watched.ts';
import { MAX_FRAME } from '../sockets/frames.ts';
import type { AttachSelector, LiveChange, ObserveRequest, StripSelector, TableChange, Version } from './interface.ts';
import { MAX_ENTRIES, TABLE } from './table-shape.ts';

/**
 * What may cross the kernel process's socket. The process trusts no client: what the agent has checked is checked here again. Names are
 * those of the program, so that a client sends its objects as they are.
 */
export const MAX_BATCH = 256;
/**
 * Bytes of a request. The largest table is smaller than one MiB. A request many times as large could hold more objects than the process
 * has memory for: its heap is small, and an empty list takes three bytes of JSON and ten times as many of memory.
 */
export const MAX_REQUEST = 4 * 1024 * 1024;
/** Milliseconds without an answer after which either side takes the process for dead, unless configuration says otherwise. */
export const DEFAULT_DEADLINE_MS = 10_000;
/** Bytes of an answer: tables as they stand may say more than tables as they are sent. */
export const MAX_ANSWER = 2 * MAX_FRAME;

const VERSION: Shape<Version> = record({
  cookie: text({ max: 41, pattern: /^\d+(:\d+)?$/, what: "a namespace's cookie" }),
  generation: integer(0, 0xffff_ffff),
});
const OBSERVE: Shape<ObserveRequest> = record({ netns: NETNS, known: nullable(VERSION) });
/** Any comment that a table may have: the kernel keeps at most 256 bytes of it (NFT_USERDATA_MAXLEN), which are read as Latin-1. */
const COMMENT = text({ max: 512, what: 'the comment of a table' });
const CHANGE: Shape<TableChange> = record({ netns: NETNS, table: nullable(TABLE), replaces: nullable(COMMENT) });

const HELPER_FIELDS = { protocol: TRANSPORT, port: PORT, type: KERNEL_TYPE };
const REACH_FIELDS = { families: list(FAMILY, 2), source: nullable(NETWORK), destination: nullable(NETWORK) };
/** An agent of an earlier version does not send exceptions. */
const STRIP: Shape<StripSelector> = record({ ...HELPER_FIELDS, except: withDefault(list(record(REACH_FIELDS), MAX_ENTRIES), []) });

/** A helper of the catalogue only, over a protocol and in families that it has. */
const ATTACH: Shape<AttachSelector> = mapped(
  record({ ...HELPER_FIELDS, ...REACH_FIELDS }),
  (selector) => {
    const known = KERNEL_HELPERS.find(({ type, protocol }) => type === selector.type && protocol === selector.protocol);
    if (!known || known.localOnly) throw new Mismatch('a helper of the catalogue that forwarded connections may have', 'type');
    if (selector.families.some((family) => !known.families.includes(family)))
      throw new Mismatch('families that the helper has', 'families');
    return selector;
  },
  (selector) => selector,
);

const LIVE_CHANGE: Shape<LiveChange> = tagged('action', {
  strip: record({ action: literal('strip'), selectors: list(STRIP, MAX_ENTRIES) }),
  attach: record({ action: literal('attach'), selectors: list(ATTACH, MAX_ENTRIES) }),
});

/** Items of a batch that are no valid request are errors of their own; the others are carried out. */
function batch<T>(item: Shape<T>): ItemsShape<T> {
  return items(item, MAX_BATCH, 'netns');
}

const REQUEST = tagged('method', {
  /** Asks for an answer and nothing else: whether the process serves. */
  ping: record({ method: literal('ping') }),
  capabilities: record({ method: literal('capabilities') }),
  namespaces: record({ method: literal('namespaces') }),
  observe: record({ method: literal('observe'), items: batch(OBSERVE) }),
  apply: record({ method: literal('apply'), items: batch(CHANGE) }),
  changeLive: record({ method: literal('changeLive'), netns: NETNS, change: LIVE_CHANGE }),
  expectations: record({ method: literal('expectations'), netns: NETNS }),
  allRules: record({ method: literal('allRules'), netns: NETNS }),
  watchExpectations: record({ method: literal('watchExpectations'), netnses: nullable(list(NETNS, MAX_WATCHED)) }),
});
export type KernelRequest = Of<typeof REQUEST>;

/**
 * Methods whose work is bounded by their items: a process that does not answer one is stuck. How long the others take depends on the
 * namespace: the size of its connection table, the rules of all programs.
 */
export const QUICK_METHODS: ReadonlySet<KernelRequest['method']> = new Set([
  'ping',
  'capabilities',
  'namespaces',
  'observe',
  'apply',
  'watchExpectations',
]);

const MESSAGE = record({ id: COUNT, request: REQUEST });

/** @throws PinholeError `invalid-message` naming the field */
export function parseRequest(value: unknown): { readonly id: number; readonly request: KernelRequest } {
  return read(MESSAGE, value, 'message');
}
