import { networkContains, parseNetwork } from '../../model/address.ts';
import type { Family } from '../../model/catalogue.ts';
import { lookUp } from '../../model/look-up.ts';
import { isFlags, type Operand, type Scalar, type Statement, type Value } from './exact.ts';

/** True, false, or null: not known. */
export type Truth = boolean | null;

/** A connection as conntrack has it, when the packet passes. */
export interface Tracked {
  readonly state: 'new' | 'related' | 'established' | 'invalid' | 'untracked';
  readonly direction: 'original' | 'reply';
  /** Bits of `ct status`: `expected`, `snat` and the like. */
  readonly status: readonly string[];
  /** Helper of the master connection, for a related one; null: none. */
  readonly helper: string | null;
  /** Source and destination of its first packet, before NAT. */
  readonly source: string;
  readonly destination: string;
  /** null: not known. */
  mark: number | null;
}

/** A packet at a place on its way through a router. */
export interface Packet {
  readonly family: Family;
  readonly protocol: 'tcp' | 'udp' | 'gre';
  source: string;
  destination: string;
  /** null: the protocol has no ports. */
  sport: number | null;
  dport: number | null;
  /** Flags of TCP, such as `syn`. */
  readonly flags: readonly string[];
  /** Interfaces; null: there is none at this hook. */
  input: string | null;
  output: string | null;
  /** null: not known. */
  mark: number | null;
  /** null: conntrack has not seen it yet. */
  tracked: Tracked | null;
  /** How many connections its client has, with this one. */
  readonly connections: number;
}

/** What a packet's surroundings say about addresses. */
export interface Surroundings {
  /** Type of an address for this host (`fib … type`), such as `local`, `unicast` or `broadcast`. */
  typeOf(address: string, packet: Packet): string | null;
  /** Interfaces through which an address is reached; empty: none, null: not known. @param mark null: not known */
  reachedThrough(address: string, packet: Packet, mark: number | null): readonly string[] | null;
}

/** The value of an operand: words or a number; `absent`: the packet has no such field, so no condition on it holds. */
type Found = Scalar | readonly string[] | readonly Found[] | 'absent' | null;

/** Whether a condition holds for a packet. */
export function holds(one: Extract<Statement, { kind: 'condition' }>, packet: Packet, around: Surroundings): Truth {
  if (one.needsConnection && !hasConnection(packet.tracked)) return true;
  const left = valueOfOperand(one.left, packet, around);
  if (left === 'absent') return false;
  if (left === null || one.right === null) return null;
  if (isFlags(one.left)) return flagsHold(left, one);
  const results = one.right.map((value) => equals(left, value, one.op));
  const any = results.includes(true) ? true : results.includes(null) ? null : false;
  return (one.op === '!=' || one.op === 'not in') && any !== null ? !any : any;
}

/** The entry of a map that a packet selects: undefined if there is none, null if that is not known. */
export function entryFor<T>(
  key: Operand,
  entries: readonly (readonly [Value, T])[] | null,
  at: { packet: Packet; around: Surroundings },
): T | undefined | null {
  const found = valueOfOperand(key, at.packet, at.around);
  if (found === 'absent') return undefined;
  if (found === null || entries === null) return null;
  const ranked = [...entries.filter(([value]) => value.kind !== 'any'), ...entries.filter(([value]) => value.kind === 'any')];
  for (const [value, result] of ranked) {
    const same = equals(found, value, '==');
    if (same === null) return null;
    if (same) return result;
  }
  return undefined;
}

/** The number that an operand has for a packet; null: not known. */
export function numberOf(operand: Operand, packet: Packet, around: Surroundings): number | null {
  const found = valueOfOperand(operand, packet, around);
  return typeof found === 'number' ? found : null;
}

/** The word or number that an operand has for a packet, as text; null: not known. */
export function textOf(operand: Operand, packet: Packet, around: Surroundings): string | null {
  const found = valueOfOperand(operand, packet, around);
  return typeof found === 'number' || (typeof found === 'string' && found !== 'absent') ? String(found) : null;
}

/** Whether an operand has a value for a packet: without one, the kernel goes on with the next rule. null: not known. */
export function hasValue(operand: Operand, packet: Packet, around: Surroundings): Truth {
  switch (operand.kind) {
    case 'constant':
      return true;
    case 'unknown':
      return null;
    case 'field':
      return fieldOf(operand.name, packet, around) !== 'absent';
    case 'concat':
      return every(operand.parts.map((part) => hasValue(part, packet, around)));
    case 'bits':
      return every([hasValue(operand.left, packet, around), hasValue(operand.right, packet, around)]);
    case 'map': {
      const found = entryFor(operand.key, operand.entries, { packet, around });
      return found === null ? null : found !== undefined;
    }
  }
}

/** Whether all hold. */
function every(parts: readonly Truth[]): Truth {
  return parts.includes(false) ? false : parts.includes(null) ? null : true;
}

function valueOfOperand(operand: Operand, packet: Packet, around: Surroundings): Found {
  switch (operand.kind) {
    case 'constant':
      return operand.value;
    case 'unknown':
      return null;
    case 'field':
      return fieldOf(operand.name, packet, around);
    case 'concat': {
      const parts = operand.parts.map((part) => valueOfOperand(part, packet, around));
      return parts.includes('absent') ? 'absent' : parts.includes(null) ? null : parts;
    }
    case 'map': {
      const found = entryFor(operand.key, operand.entries, { packet, around });
      return found === undefined ? 'absent' : found;
    }
    case 'bits':
      return bitsOf(operand.op, valueOfOperand(operand.left, packet, around), valueOfOperand(operand.right, packet, around));
  }
}

/** Bits of two numbers, or the flags that two lists share. */
function bitsOf(op: '&' | '|' | '^', left: Found, right: Found): Found {
  if (left === 'absent' || right === 'absent') return 'absent';
  if (typeof left === 'number' && typeof right === 'number')
    return (op === '&' ? left & right : op === '|' ? left | right : left ^ right) >>> 0;
  if (op === '&' && Array.isArray(left)) return left.filter((flag) => (Array.isArray(right) ? right.includes(flag) : flag === right));
  return null;
}

/** `in` wants one of the flags; `==` and `!=` compare all of them, or one of a set with one flag. */
function flagsHold(left: Found, { op, right, left: operand }: Extract<Statement, { kind: 'condition' }>): Truth {
  const has = Array.isArray(left) ? left.map(String) : [String(left)];
  const combinations = (right ?? []).flatMap((value) => (value.kind === 'flags' ? [value.all] : []));
  if (combinations.length > 0) {
    // The bits of a status are not all known.
    if (operand.kind === 'field' && operand.name === 'ct status') return null;
    return combinations.some((all) => sameFlags(all, has)) !== (op === '!=');
  }
  const wanted = (right ?? []).flatMap((value) => (value.kind === 'one' ? [String(value.value)] : []));
  const overlaps = wanted.some((flag) => has.includes(flag));
  if (op === 'not in') return !overlaps;
  if (operand.kind !== 'bits' && (op === 'in' || op === '==' || has.length <= 1)) return op === '!=' ? !overlaps : overlaps;
  const same = sameFlags(wanted.length === 1 && wanted[0] === '0' ? [] : wanted, has);
  return op === '!=' ? !same : op === 'in' ? overlaps : same;
}

function sameFlags(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((flag) => b.includes(flag));
}

/** Whether a value is one of those that an alternative stands for; for an order, whether it is on that side of it. */
function equals(found: Found, value: Value, op: string): Truth {
  if (value.kind === 'any') return true;
  if (value.kind === 'flags') return null;
  if (value.kind === 'concat') return concatEquals(found, value.parts);
  if (Array.isArray(found) || typeof found === 'object' || found === 'absent') return null;
  const scalar = found as Scalar;
  if (value.kind === 'one') return /^[<>]/.test(op) ? ordered(scalar, value.value, op) : sameScalar(scalar, value.value);
  if (value.kind === 'prefix') return isAddress(scalar) ? inPrefix(String(scalar), value) : null;
  if (typeof scalar === 'number' && typeof value.from === 'number' && typeof value.to === 'number')
    return scalar >= value.from && scalar <= value.to;
  return isAddress(scalar) && isAddress(value.from) && isAddress(value.to)
    ? compareAddresses(String(scalar), String(value.from)) >= 0 && compareAddresses(String(scalar), String(value.to)) <= 0
    : null;
}

function concatEquals(found: Found, parts: readonly Value[]): Truth {
  if (!Array.isArray(found) || found.length !== parts.length) return null;
  return every(parts.map((part, index) => equals(found[index] as Found, part, '==')));
}

function ordered(found: Scalar, limit: Scalar, op: string): Truth {
  if (typeof found !== 'number' || typeof limit !== 'number') return null;
  return op === '<' ? found < limit : op === '<=' ? found <= limit : op === '>' ? found > limit : found >= limit;
}

/** IANA protocol numbers, as rules may spell them. */
const PROTOCOLS: Readonly<Record<string, string>> = { '6': 'tcp', '17': 'udp', '47': 'gre' };

function sameScalar(found: Scalar, wanted: Scalar): boolean {
  if (found === wanted || String(found) === String(wanted)) return true;
  const text = String(wanted);
  if (text.endsWith('*') && String(found).startsWith(text.slice(0, -1))) return true;
  if (lookUp(PROTOCOLS, text) === found || (text === 'all' && typeof found === 'string')) return true;
  return isAddress(found) && isAddress(wanted) && compareAddresses(String(found), text) === 0;
}

function isAddress(value: Scalar): boolean {
  return typeof value === 'string' && /^[0-9a-f]*[:.][0-9a-f:.]+$/i.test(value);
}

function inPrefix(address: string, { address: base, length }: { address: string; length: number }): Truth {
  if (!isAddress(base) || base.includes(':') !== address.includes(':')) return false;
  return networkContains(parseNetwork(`${base}/${length}`, 'network'), parseNetwork(address, 'address'));
}

/** Negative, zero or positive. Addresses of different families differ. */
function compareAddresses(a: string, b: string): number {
  const [left, right] = [parseNetwork(a, 'address').bytes, parseNetwork(b, 'address').bytes];
  if (left.length !== right.length) return left.length - right.length;
  const at = left.findIndex((byte, index) => byte !== right[index]);
  return at < 0 ? 0 : (left[at] as number) - (right[at] as number);
}

/** The value of a field. Fields of other protocols are absent; those that are not modelled are not known. */
function fieldOf(name: string, packet: Packet, around: Surroundings): Found {
  const [header = '', key = '', ...words] = name.split(' ');
  const rest = words.join(' ');
  switch (header) {
    case 'ip':
    case 'ip6':
      if (packet.family !== (header === 'ip' ? 'ipv4' : 'ipv6')) return 'absent';
      if (key === 'saddr') return packet.source;
      if (key === 'daddr') return packet.destination;
      return key === 'protocol' || key === 'nexthdr' ? packet.protocol : null;
    case 'tcp':
    case 'udp':
    case 'th':
      if (header !== 'th' && packet.protocol !== header) return 'absent';
      if (key === 'sport') return packet.sport ?? 'absent';
      if (key === 'dport') return packet.dport ?? 'absent';
      return key === 'flags' ? packet.flags : null;
    case 'meta':
      return metaOf(key, packet);
    case 'ct':
      return key === 'original' || key === 'reply' ? connectionField(rest, key, packet) : trackedField(key, packet);
    // Unlike nft, iptables has a name for no helper, which a negated match finds.
    case 'xt':
      return (hasConnection(packet.tracked) && packet.tracked.helper) || '';
    case 'fib':
      return fibOf(key.split(','), rest, packet, around);
    case 'icmp':
    case 'icmpv6':
    case 'arp':
    case 'vlan':
    case 'sctp':
    case 'dccp':
    case 'udplite':
    case 'esp':
    case 'ah':
      return 'absent';
    default:
      return null;
  }
}

function metaOf(key: string, packet: Packet): Found {
  switch (key) {
    case 'iif':
    case 'iifname':
      return packet.input ?? '';
    case 'oif':
    case 'oifname':
      return packet.output ?? '';
    case 'l4proto':
      return packet.protocol;
    case 'nfproto':
      return packet.family;
    case 'protocol':
      return packet.family === 'ipv4' ? 'ip' : 'ip6';
    case 'mark':
      return packet.mark;
    case 'pkttype':
      return 'host';
    case 'iiftype':
    case 'oiftype':
      return null;
    // Only packets of this host's processes have one.
    case 'skuid':
    case 'skgid':
      return packet.input === null ? null : 'absent';
    default:
      return null;
  }
}

/** Whether conntrack has a connection for the packet. */
function hasConnection(tracked: Tracked | null): tracked is Tracked & { readonly state: 'new' | 'related' | 'established' } {
  return tracked !== null && tracked.state !== 'invalid' && tracked.state !== 'untracked';
}

function trackedField(key: string, { tracked }: Packet): Found {
  // Before conntrack, and for untracked packets, only the state has a value.
  if (!hasConnection(tracked)) return key === 'state' ? (tracked?.state === 'untracked' ? 'untracked' : 'invalid') : 'absent';
  switch (key) {
    case 'state':
      return tracked.state;
    case 'status':
      return tracked.status;
    case 'direction':
      return tracked.direction;
    case 'mark':
      return tracked.mark;
    case 'helper':
      return tracked.helper ?? 'absent';
    default:
      return null;
  }
}

function connectionField(key: string, direction: 'original' | 'reply', { tracked }: Packet): Found {
  if (!hasConnection(tracked)) return 'absent';
  if (direction === 'reply') return null;
  if (/^(ip |ip6 )?saddr$/.test(key)) return tracked.source;
  return /^(ip |ip6 )?daddr$/.test(key) ? tracked.destination : null;
}

/** `fib saddr,iif oif`: whether the address is reached through the input interface; `fib daddr type`: the type of an address. */
function fibOf(flags: readonly string[], result: string, packet: Packet, around: Surroundings): Found {
  const address = flags.includes('saddr') ? packet.source : packet.destination;
  if (result === 'type') return around.typeOf(address, packet);
  const through = around.reachedThrough(address, packet, flags.includes('mark') ? packet.mark : 0);
  if (through === null) return null;
  if (flags.includes('iif')) return String(packet.input !== null && through.includes(packet.input));
  return String(through.length > 0);
}
