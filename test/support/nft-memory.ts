import type { MessageWriter as Writer } from '../../src/kernel/linux/netlink.ts';
import { Attributes, attributeList, type Message, MessageWriter, messages, NFNL_SUBSYS_NFTABLES } from '../../src/kernel/linux/netlink.ts';
import * as nft from '../../src/kernel/linux/nft-constants.ts';
import type { NetlinkRequests } from '../../src/kernel/linux/nft-read.ts';

interface StoredSet {
  readonly name: string;
  readonly elements: Buffer[];
}

interface Stored {
  readonly head: Buffer;
  readonly chains: { readonly name: string; readonly body: Buffer }[];
  readonly objects: Buffer[];
  readonly sets: StoredSet[];
  readonly rules: { readonly chain: string; readonly body: Buffer }[];
}

const ANY_TABLE = 'pinhole';

/**
 * What nf_tables keeps of a transaction's bytes and gives back in a dump, without its checks: sets get numbers for `%d` and
 * their elements no order, rules name sets instead of ids, lookups tell their flags, an object without a family its table's.
 */
export class NftMemory implements NetlinkRequests {
  generation = 1;
  /** Called at each request: others may commit meanwhile. */
  onRequest: (type: number) => void = () => undefined;
  /** Rules that others added to a chain, as lists of expressions. */
  readonly #alien: { readonly chain: string; readonly expressions: Buffer }[] = [];
  #table: Stored | null = null;
  #sequence = 0;
  #sets = 0;

  nextSequence(): number {
    return ++this.#sequence;
  }

  commit(batch: Buffer): void {
    const ids = new Map<number, StoredSet>();
    for (const message of messages(batch)) if (message.type >> 8 === NFNL_SUBSYS_NFTABLES) this.#take(message, ids);
    this.generation++;
  }

  addAlienRule(chain: string, expressions: Buffer): void {
    this.#alien.push({ chain, expressions });
    this.generation++;
  }

  get(request: Buffer): Message | null {
    const message = requestOf(request);
    this.onRequest(message.type & 0xff);
    switch (message.type & 0xff) {
      case nft.MSG.GETGEN:
        return reply((out) => out.u32(nft.GEN.ID, this.generation));
      case nft.MSG.GETTABLE:
        return this.#table && replyOf(this.#headOf(this.#table));
      default: {
        const name = Attributes.ofMessage(message).string(nft.CHAIN.NAME);
        const at = this.#table?.chains.findIndex((chain) => chain.name === name) ?? -1;
        return at < 0 ? null : this.#chain(at);
      }
    }
  }

  dump(request: Buffer, _into: Buffer, each: (message: Message) => void): boolean {
    const message = requestOf(request);
    const before = this.generation;
    this.onRequest(message.type & 0xff);
    if (this.#table) for (const found of this.#dump(message, this.#table)) each(found);
    return this.generation === before;
  }

  #dump(message: Message, { chains, objects, sets, rules }: Stored): (Message | null)[] & Message[] {
    switch (message.type & 0xff) {
      case nft.MSG.GETOBJ:
        return objects.toReversed().map(replyOf);
      case nft.MSG.GETSET:
        return sets.map(({ name }) => reply((out) => out.string(nft.SET.TABLE, ANY_TABLE).string(nft.SET.NAME, name)));
      case nft.MSG.GETRULE:
        return [
          ...rules.map(({ body }) => replyOf(body)),
          ...this.#alien.map(({ chain, expressions }) =>
            reply((out) =>
              out.string(nft.RULE.TABLE, ANY_TABLE).string(nft.RULE.CHAIN, chain).attribute(nft.RULE.EXPRESSIONS, expressions),
            ),
          ),
        ];
      case nft.MSG.GETCHAIN:
        return chains.map((_, at) => this.#chain(at)).toReversed();
      default: {
        const wanted = Attributes.ofMessage(message).string(nft.SETELEMS.SET);
        return (sets.find(({ name }) => name === wanted)?.elements ?? [])
          .toReversed()
          .map((element) => reply((out) => out.nest(nft.SETELEMS.ELEMENTS, () => out.attribute(nft.LIST_ELEM, element))));
      }
    }
  }

  #headOf({ head, chains, objects, sets }: Stored): Buffer {
    return Buffer.concat([head, attributes((out) => out.u32(nft.TABLE.USE, chains.length + objects.length + sets.length))]);
  }

  #chain(at: number): Message {
    const body = this.#table?.chains[at]?.body ?? Buffer.alloc(0);
    return replyOf(Buffer.concat([body, attributes((out) => out.u64(nft.CHAIN.HANDLE, at + 1))]));
  }

  #take(message: Message, ids: Map<number, StoredSet>): void {
    const body = Buffer.from(message.payload.subarray(4));
    const read = new Attributes(body);
    const table = this.#table;
    switch (message.type & 0xff) {
      case nft.MSG.NEWTABLE:
        this.#table ??= { head: body, chains: [], objects: [], sets: [], rules: [] };
        return;
      case nft.MSG.DELTABLE:
        this.#table = null;
        return;
      case nft.MSG.NEWCHAIN:
        table?.chains.push({ name: read.string(nft.CHAIN.NAME), body });
        return;
      case nft.MSG.NEWOBJ:
        table?.objects.push(withFamily(body));
        return;
      case nft.MSG.NEWSET: {
        const set = { name: read.string(nft.SET.NAME).replace('%d', String(this.#sets++)), elements: [] };
        ids.set(read.u32(nft.SET.ID), set);
        table?.sets.push(set);
        return;
      }
      case nft.MSG.NEWSETELEM: {
        const elements = attributeList(read.get(nft.SETELEMS.ELEMENTS) ?? Buffer.alloc(0));
        ids.get(read.u32(nft.SETELEMS.SET_ID))?.elements.push(...[...elements].map(([, data]) => data));
        return;
      }
      case nft.MSG.NEWRULE:
        table?.rules.push({ chain: read.string(nft.RULE.CHAIN), body: asDumped(read, ids) });
    }
  }
}

/** A rule as it is dumped: sets by name. */
function asDumped(rule: Attributes, ids: ReadonlyMap<number, StoredSet>): Buffer {
  const list = [...attributeList(rule.get(nft.RULE.EXPRESSIONS) ?? Buffer.alloc(0))].map(([, data]) => new Attributes(data));
  return attributes((out) => {
    out.string(nft.RULE.TABLE, ANY_TABLE).string(nft.RULE.CHAIN, rule.string(nft.RULE.CHAIN));
    out.nest(nft.RULE.EXPRESSIONS, () => {
      for (const expression of list) {
        const [name, data] = [expression.string(nft.EXPR.NAME), expression.nested(nft.EXPR.DATA)];
        out.nest(nft.LIST_ELEM, () => {
          out.string(nft.EXPR.NAME, name);
          out.nest(nft.EXPR.DATA, () => dumpedExpression(out, { name, data, raw: expression.get(nft.EXPR.DATA) ?? Buffer.alloc(0) }, ids));
        });
      }
    });
  });
}

function dumpedExpression(
  out: Writer,
  { name, data, raw }: { name: string; data: Attributes; raw: Buffer },
  ids: ReadonlyMap<number, StoredSet>,
): void {
  const replaced =
    name === 'lookup'
      ? { set: nft.LOOKUP.SET as number, id: nft.LOOKUP.SET_ID as number }
      : { set: nft.OBJREF.SET_NAME as number, id: nft.OBJREF.SET_ID as number };
  const isReference = name === 'lookup' || (name === 'objref' && data.get(nft.OBJREF.SET_NAME) !== undefined);
  for (const [type, value] of attributeListRaw(raw)) {
    if (isReference && (type & 0x3fff) === replaced.set) out.string(replaced.set, ids.get(data.u32(replaced.id))?.name ?? '');
    else if (!isReference || (type & 0x3fff) !== replaced.id) out.attribute(type, value);
  }
  if (name === 'lookup') out.u32(nft.LOOKUP.FLAGS, 0);
}

/** Attributes with their type as it stands there, flags and all. */
export function* attributeListRaw(data: Buffer): Generator<[number, Buffer]> {
  for (let at = 0; at + 4 <= data.length; ) {
    const length = data.readUInt16LE(at);
    if (length < 4 || at + length > data.length) return;
    yield [data.readUInt16LE(at + 2), data.subarray(at + 4, at + length)];
    at += (length + 3) & ~3;
  }
}

/** nft_ct_helper_obj_dump tells a family always: without one, that of the table. */
function withFamily(body: Buffer): Buffer {
  const data = new Attributes(body).nested(nft.OBJ.DATA);
  if (data.get(nft.CT_HELPER.L3PROTO)) return body;
  const others = [...attributeListRaw(body)].filter(([type]) => (type & 0x3fff) !== nft.OBJ.DATA);
  return attributes((out) => {
    for (const [type, value] of others) out.attribute(type, value);
    out.nest(nft.OBJ.DATA, () => {
      out.string(nft.CT_HELPER.NAME, data.string(nft.CT_HELPER.NAME)).u16(nft.CT_HELPER.L3PROTO, nft.NFPROTO_INET);
      out.u8(nft.CT_HELPER.L4PROTO, data.u8(nft.CT_HELPER.L4PROTO));
    });
  });
}

function requestOf(request: Buffer): Message {
  const [message] = messages(request);
  if (!message) throw new Error('a request that is no netlink message');
  return message;
}

/** Large, and so made once: each use begins it anew, and none is inside another. */
const scratch = new MessageWriter();

/** Attributes as bytes. */
export function attributes(body: (out: Writer) => void): Buffer {
  const out = scratch.reset().begin(0, 0, { family: 0, sequence: 0 });
  body(out);
  return Buffer.from(out.end().bytes().subarray(20));
}

function reply(body: (out: Writer) => void): Message {
  return replyOf(attributes(body));
}

function replyOf(body: Buffer): Message {
  const payload = Buffer.concat([Buffer.of(nft.NFPROTO_INET, 0, 0, 0), body]);
  return { type: NFNL_SUBSYS_NFTABLES << 8, flags: 0, sequence: 0, family: nft.NFPROTO_INET, payload };
}
