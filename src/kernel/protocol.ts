import { type ItemsShape, items, list, mapped, nullable } from '../contract/compounds.ts';
import { Mismatch } from '../contract/mismatch.ts';
import { NETNS } from '../contract/netns.ts';
import { COUNT, FAMILY, KERNEL_TYPE, NETWORK, PORT, TRANSPORT } from '../contract/primitives.ts';
import { record, tagged } from '../contract/record.ts';
import { BOOLEAN, integer, literal, text } from '../contract/scalars.ts';
import { type Of, read, type Shape } from '../contract/shape.ts';
import { KERNEL_HELPERS } from '../model/catalogue.ts';
import { MAX_FRAME } from '../sockets/frames.ts';
import type { AttachSelector, LiveChange, ObserveRequest, StripSelector, TableChange, Version } from './interface.ts';
import { MAX_ENTRIES, TABLE } from './table-shape.ts';

/**
 * What may cross the kernel process's socket. The process trusts no client: what the agent has checked is checked here again. Names are
 * those of the program, so that a client sends its objects as they are.
 */
export const MAX_BATCH = 256;
/** Bytes of an answer: tables as they stand may say more than tables as they are sent. */
export const MAX_ANSWER = 2 * MAX_FRAME;

const VERSION: Shape<Version> = record({
  cookie: text({ max: 20, pattern: /^\d+$/, what: "a namespace's cookie" }),
  generation: integer(0, 0xffff_ffff),
});
const OBSERVE: Shape<ObserveRequest> = record({ netns: NETNS, known: nullable(VERSION) });
const CHANGE: Shape<TableChange> = record({ netns: NETNS, table: nullable(TABLE) });

const STRIP_FIELDS = { protocol: TRANSPORT, port: PORT, type: KERNEL_TYPE };
const STRIP: Shape<StripSelector> = record(STRIP_FIELDS);

/** A helper of the catalogue only, over a protocol and in families that it has. */
const ATTACH: Shape<AttachSelector> = mapped(
  record({ ...STRIP_FIELDS, families: list(FAMILY, 2), source: nullable(NETWORK), destination: nullable(NETWORK) }),
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
  capabilities: record({ method: literal('capabilities') }),
  namespaces: record({ method: literal('namespaces') }),
  observe: record({ method: literal('observe'), items: batch(OBSERVE) }),
  apply: record({ method: literal('apply'), items: batch(CHANGE) }),
  changeLive: record({ method: literal('changeLive'), netns: NETNS, change: LIVE_CHANGE }),
  expectations: record({ method: literal('expectations'), netns: NETNS }),
  allRules: record({ method: literal('allRules'), netns: NETNS }),
  watchExpectations: record({ method: literal('watchExpectations'), on: BOOLEAN }),
});
export type KernelRequest = Of<typeof REQUEST>;

const MESSAGE = record({ id: COUNT, request: REQUEST });

/** @throws PinholeError `invalid-message` naming the field */
export function parseRequest(value: unknown): { readonly id: number; readonly request: KernelRequest } {
  return read(MESSAGE, value, 'message');
}
