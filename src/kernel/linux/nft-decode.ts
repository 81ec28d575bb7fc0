import { formatNetwork, netmaskByte } from '../../model/address.ts';
import type { Protocol } from '../../model/catalogue.ts';
import type { Action, Chain, HelperObject, Hook, LayerFour, Match, Rule } from '../../model/table.ts';
import { Attributes, attributeList } from './netlink.ts';
import * as nft from './nft-constants.ts';
import { ADDRESS_OFFSET } from './nft-encode.ts';

/** Thrown for what Pinhole never writes: another program wrote it, and the table's reader reports it as foreign. */
export class Foreign extends Error {}

/** Elements of an anonymous set: ports, or keys with the object or chain that they lead to. */
export interface SetContent {
  readonly elements: readonly { readonly key: Buffer; readonly object: string; readonly chain: string }[];
}

/** The comment in a table's NFTA_TABLE_USERDATA (type, length, text with its NUL); empty for none. */
export function decodeComment(userdata: Buffer | undefined): string {
  for (let at = 0; userdata && at + 2 <= userdata.length; ) {
    const length = userdata[at + 1] as number;
    if (userdata[at] === nft.UDATA.TABLE_COMMENT)
      return printable(userdata.toString('latin1', at + 2, at + 2 + length).replace(/\0.*$/s, ''));
    at += 2 + length;
  }
  return '';
}

/** Other programs' comments go into logs and messages, which take no control characters. No stamp of Pinhole's has any. */
function printable(comment: string): string {
  return comment.replace(/\p{Cc}/gu, '?');
}

/** A `ct helper` object from NFTA_OBJ_* attributes. @throws Foreign for an object that Pinhole never writes */
export function decodeObject(attributes: Attributes): HelperObject {
  const name = attributes.string(nft.OBJ.NAME);
  if (attributes.u32(nft.OBJ.TYPE) !== nft.OBJECT_CT_HELPER) throw new Foreign(`object ${name}`);
  const data = attributes.nested(nft.OBJ.DATA);
  const l3 = data.u16(nft.CT_HELPER.L3PROTO);
  const family = l3 === nft.NFPROTO_INET ? 'inet' : l3 === nft.NFPROTO_IPV4 ? 'ip' : 'ip6';
  return { name, type: data.string(nft.CT_HELPER.NAME), protocol: transport(data.u8(nft.CT_HELPER.L4PROTO), name), family };
}

/** A chain from NFTA_CHAIN_* attributes, with its rules. @throws Foreign for a chain that Pinhole never writes */
export function decodeChain(attributes: Attributes, rules: readonly Rule[]): Chain {
  const name = attributes.string(nft.CHAIN.NAME);
  if (!attributes.get(nft.CHAIN.HOOK)) return { name, rules };
  const hook = attributes.nested(nft.CHAIN.HOOK);
  const number = hook.u32(nft.HOOK.HOOKNUM);
  const known = (Object.entries(nft.HOOK_NUMBER) as [Hook, number][]).find(([, value]) => value === number);
  const accepts = attributes.u32(nft.CHAIN.POLICY) === 1 && attributes.string(nft.CHAIN.TYPE) === 'filter';
  if (!known || !accepts) throw new Foreign(`base chain ${name}`);
  return { name, base: { hook: known[0], priority: hook.u32(nft.HOOK.PRIORITY) | 0 }, rules };
}

/** Elements of a set or map from NFTA_SET_ELEM_LIST_* attributes: key and data as the kernel's bytes. */
export function decodeSetElements(attributes: Attributes): SetContent['elements'] {
  const list = attributes.get(nft.SETELEMS.ELEMENTS) ?? Buffer.alloc(0);
  return [...attributeList(list)].map(([, data]) => {
    const element = new Attributes(data);
    const verdict = element.nested(nft.ELEM.DATA).nested(nft.DATA.VERDICT);
    // An end of a range, or an element that catches all: no key of ours. A key of no length is refused where the set is used.
    const isPlain = element.u32(nft.ELEM.FLAGS) === 0 && !element.get(nft.ELEM.KEY_END);
    return {
      key: (isPlain ? element.nested(nft.ELEM.KEY).get(nft.DATA.VALUE) : undefined) ?? Buffer.alloc(0),
      object: element.string(nft.ELEM.OBJREF),
      chain: verdict.u32(nft.VERDICT.CODE) === nft.NFT_JUMP ? verdict.string(nft.VERDICT.CHAIN) : '',
    };
  });
}

/**
 * Every field that changes what a rule does is compared with what Pinhole writes there, so that no other rule reads as one of ours.
 * @throws Foreign where the expressions are not a rule of ours
 */
export function decodeRule(expressions: Buffer, sets: ReadonlyMap<string, SetContent>): Rule {
  const list = [...attributeList(expressions)].map(([, data]) => {
    const expression = new Attributes(data);
    return { name: expression.string(nft.EXPR.NAME), data: expression.nested(nft.EXPR.DATA) };
  });
  return new RuleDecoder(list, sets).decode();
}

interface Expression {
  readonly name: string;
  readonly data: Attributes;
}

class RuleDecoder {
  readonly #list: readonly Expression[];
  readonly #sets: ReadonlyMap<string, SetContent>;
  #at = 0;

  constructor(list: readonly Expression[], sets: ReadonlyMap<string, SetContent>) {
    this.#list = list;
    this.#sets = sets;
  }

  decode(): Rule {
    const matches: Match[] = [];
    for (;;) {
      const part = this.#part();
      if ('action' in part) {
        if (this.#at !== this.#list.length) throw new Foreign('expressions after the action');
        return { matches, action: part.action };
      }
      matches.push(part.match);
    }
  }

  #part(): { match: Match } | { action: Action } {
    const { name, data } = this.#take();
    switch (name) {
      case 'ct':
        inRegister(data, nft.CT.DREG);
        return data.u32(nft.CT.KEY) === nft.CT_KEY.HELPER ? { action: this.#jumpByHelper() } : { match: this.#ctState(data) };
      case 'meta':
        inRegister(data, nft.META.DREG);
        return this.#meta(data.u32(nft.META.KEY));
      case 'limit':
        return { match: rate(data) };
      case 'immediate':
        return { action: immediate(data) };
      case 'objref':
        if (!data.get(nft.OBJREF.IMM_NAME) || data.u32(nft.OBJREF.IMM_TYPE) !== nft.OBJECT_CT_HELPER) throw new Foreign('objref');
        return { action: { kind: 'set-helper', object: data.string(nft.OBJREF.IMM_NAME) } };
      default:
        throw new Foreign(`expression ${name}`);
    }
  }

  #ctState(data: Attributes): Match {
    if (data.u32(nft.CT.KEY) !== nft.CT_KEY.STATE) throw new Foreign('ct key');
    const mask = this.#mask(4).readUInt32LE(0);
    const isAny = isZero(this.#compared(nft.CMP_OP.NEQ, 4));
    const state = (['new', 'related'] as const).find((name) => isAny && nft.CT_STATE_BITS[name] === mask);
    if (!state) throw new Foreign('ct state');
    return { kind: 'ct-state', state };
  }

  #meta(key: number): { match: Match } | { action: Action } {
    if (key === nft.META_KEY.IIFNAME) return { match: { kind: 'in-interface', name: text(this.#compared(nft.CMP_OP.EQ, nft.IFNAMSIZ)) } };
    if (key === nft.META_KEY.NFPROTO) return { match: this.#address() };
    if (key === nft.META_KEY.L4PROTO) return this.#layerFour();
    throw new Foreign(`meta key ${key}`);
  }

  #layerFour(): { match: Match } | { action: Action } {
    const { operation, operand } = comparison(this.#take('cmp').data, 1);
    const number = operand.readUInt8(0);
    if (this.#peek() !== 'payload') {
      if (operation !== nft.CMP_OP.EQ && operation !== nft.CMP_OP.NEQ) throw new Foreign('protocol comparison');
      const protocol = (Object.entries(nft.L4_NUMBER) as [LayerFour, number][]).find(([, value]) => value === number)?.[0];
      if (!protocol) throw new Foreign(`protocol ${number}`);
      return { match: { kind: 'l4proto', not: operation === nft.CMP_OP.NEQ, protocol } };
    }
    if (operation !== nft.CMP_OP.EQ) throw new Foreign('protocol comparison');
    const protocol = transport(number, 'rule');
    if (this.#payload(nft.BASE.TRANSPORT, 2) !== 2) throw new Foreign('payload');
    return this.#onPort(protocol);
  }

  #onPort(protocol: Protocol): { match: Match } | { action: Action } {
    const { name, data } = this.#take();
    if (name === 'cmp') {
      const { operation, operand } = comparison(data, 2);
      const port = operand.readUInt16BE(0);
      if (operation === nft.CMP_OP.EQ) return { match: { kind: 'dport', protocol, port } };
      if (operation === nft.CMP_OP.LT) return { match: { kind: 'dport-below', protocol, port } };
    }
    if (name === 'lookup') {
      if (data.get(nft.LOOKUP.DREG)) throw new Foreign('lookup in a map');
      const ports = this.#lookedUp(data).map(({ key }) => portOf(key));
      return { match: { kind: 'dport-in', protocol, ports: ports.sort((a, b) => a - b) } };
    }
    if (name === 'objref') {
      inRegister(data, nft.OBJREF.SET_SREG);
      const entries = this.#set(data.string(nft.OBJREF.SET_NAME)).elements.map(({ key, object }) => [portOf(key), object] as const);
      return { action: { kind: 'map-helper', protocol, entries: entries.sort((a, b) => a[0] - b[0]) } };
    }
    throw new Foreign(`port ${name}`);
  }

  #address(): Match {
    const number = this.#compared(nft.CMP_OP.EQ, 1).readUInt8(0);
    if (number !== nft.NFPROTO_IPV4 && number !== nft.NFPROTO_IPV6) throw new Foreign('address family');
    const [family, length] = number === nft.NFPROTO_IPV4 ? (['ipv4', 4] as const) : (['ipv6', 16] as const);
    const offset = this.#payload(nft.BASE.NETWORK, length);
    const side = (['source', 'destination'] as const).find((name) => ADDRESS_OFFSET[family][name] === offset);
    if (!side) throw new Foreign('address');
    const prefix = this.#peek() === 'bitwise' ? prefixOf(this.#mask(length)) : length * 8;
    const bytes = [...this.#compared(nft.CMP_OP.EQ, length)];
    // A network with bits below its prefix matches no packet: no rule of ours.
    if (bytes.some((byte, index) => (byte & ~netmaskByte(prefix, index)) !== 0)) throw new Foreign('bits below the netmask');
    return { kind: 'address', side, cidr: formatNetwork({ family, bytes, prefix }) };
  }

  #jumpByHelper(): Action {
    const { data } = this.#take('lookup');
    if (!data.get(nft.LOOKUP.DREG) || data.u32(nft.LOOKUP.DREG) !== nft.REG_VERDICT) throw new Foreign('lookup without a verdict');
    const entries = this.#lookedUp(data).map(({ key, chain }) => [text(sized(key, nft.HELPER_NAME_LEN)), chain] as const);
    return { kind: 'jump-by-helper', entries: entries.sort((a, b) => (a[0] < b[0] ? -1 : 1)) };
  }

  #set(name: string): SetContent {
    const set = this.#sets.get(name);
    if (!set) throw new Foreign(`set ${name}`);
    return set;
  }

  /** The elements of the set that the register is looked up in; a lookup for what is not in it is none of ours. */
  #lookedUp(data: Attributes): SetContent['elements'] {
    inRegister(data, nft.LOOKUP.SREG);
    if (data.u32(nft.LOOKUP.FLAGS) !== 0) throw new Foreign('inverted lookup');
    return this.#set(data.string(nft.LOOKUP.SET)).elements;
  }

  /** What the register is compared with. */
  #compared(operation: number, length: number): Buffer {
    const found = comparison(this.#take('cmp').data, length);
    if (found.operation !== operation) throw new Foreign('comparison');
    return found.operand;
  }

  /** The bits of the register that count; the others are cleared. */
  #mask(length: number): Buffer {
    const { data } = this.#take('bitwise');
    inRegister(data, nft.BITWISE.SREG);
    inRegister(data, nft.BITWISE.DREG);
    const isMask = data.u32(nft.BITWISE.OP) === nft.BITWISE_MASK_XOR && data.u32(nft.BITWISE.LEN) === length;
    if (!isMask || !isZero(value(data, nft.BITWISE.XOR, length))) throw new Foreign('bitwise');
    return value(data, nft.BITWISE.MASK, length);
  }

  /** Part of a header, in the register. @returns its offset */
  #payload(base: number, length: number): number {
    const { data } = this.#take('payload');
    inRegister(data, nft.PAYLOAD.DREG);
    if (data.u32(nft.PAYLOAD.BASE) !== base || data.u32(nft.PAYLOAD.LEN) !== length) throw new Foreign('payload');
    return data.u32(nft.PAYLOAD.OFFSET);
  }

  #peek(): string | undefined {
    return this.#list[this.#at]?.name;
  }

  #take(expected?: string): Expression {
    const next = this.#list[this.#at++];
    if (!next || (expected && next.name !== expected)) throw new Foreign(next ? `expression ${next.name}` : 'a rule without action');
    return next;
  }
}

function rate(data: Attributes): Match {
  const inverted = data.u32(nft.LIMIT.FLAGS) === nft.LIMIT_INVERT && data.u32(nft.LIMIT.TYPE) === 0 && data.u64(nft.LIMIT.UNIT) === 1;
  if (!inverted) throw new Foreign('limit');
  return { kind: 'rate-over', perSecond: data.u64(nft.LIMIT.RATE), burst: data.u32(nft.LIMIT.BURST) };
}

function immediate(data: Attributes): Action {
  const verdict = data.nested(nft.IMMEDIATE.DATA).nested(nft.DATA.VERDICT);
  if (data.u32(nft.IMMEDIATE.DREG) !== nft.REG_VERDICT || !verdict.get(nft.VERDICT.CODE)) throw new Foreign('immediate');
  const code = verdict.u32(nft.VERDICT.CODE);
  if (code === nft.NFT_JUMP) return { kind: 'jump', chain: verdict.string(nft.VERDICT.CHAIN) };
  if (code === nft.NF_DROP) return { kind: 'drop' };
  throw new Foreign('verdict');
}

/** All that we load goes through one register. @param type the attribute that names it */
function inRegister(data: Attributes, type: number): void {
  if (data.u32(type) !== nft.REG_1) throw new Foreign('register');
}

function comparison(data: Attributes, length: number): { operation: number; operand: Buffer } {
  inRegister(data, nft.CMP.SREG);
  return { operation: data.u32(nft.CMP.OP), operand: value(data, nft.CMP.DATA, length) };
}

function value(data: Attributes, type: number, length: number): Buffer {
  return sized(data.nested(type).get(nft.DATA.VALUE) ?? Buffer.alloc(0), length);
}

function sized(bytes: Buffer, length: number): Buffer {
  if (bytes.length !== length) throw new Foreign(`a value of ${bytes.length} bytes`);
  return bytes;
}

function portOf(key: Buffer): number {
  return sized(key, 2).readUInt16BE(0);
}

function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}

function transport(number: number, where: string): Protocol {
  if (number === nft.L4_NUMBER.tcp) return 'tcp';
  if (number === nft.L4_NUMBER.udp) return 'udp';
  throw new Foreign(`protocol ${number} of ${where}`);
}

function prefixOf(mask: Buffer): number {
  const bits = [...mask].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  if (!/^1*0*$/.test(bits)) throw new Foreign('netmask');
  return bits.indexOf('0') < 0 ? bits.length : bits.indexOf('0');
}

/** A name that fills its field with NULs; without one, or with more behind it, it is a pattern or nonsense. */
function text(bytes: Buffer): string {
  const nul = bytes.indexOf(0);
  if (nul < 1 || !isZero(bytes.subarray(nul))) throw new Foreign('name');
  return bytes.toString('latin1', 0, nul);
}
