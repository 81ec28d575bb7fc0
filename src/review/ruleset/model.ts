import { PORT } from '../../contract/primitives.ts';
import { InvalidInput } from '../../model/errors.ts';
import { lookUp } from '../../model/look-up.ts';

/** A ruleset of anybody's, as far as helpers and what they open are concerned. Read from nft's text or JSON, or from iptables-save. */
export type NftFamily = 'inet' | 'ip' | 'ip6' | 'bridge' | 'arp' | 'netdev';

export interface HelperObject {
  readonly family: NftFamily;
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly protocol: string;
  /** 'inet' where nothing is said. */
  readonly l3proto: string;
  readonly line: number;
}

export interface Base {
  readonly type: string;
  readonly hook: string;
  readonly priority: number;
  readonly policy: 'accept' | 'drop';
}

export interface Chain {
  readonly family: NftFamily;
  readonly table: string;
  readonly name: string;
  readonly base: Base | null;
  readonly line: number;
  readonly rules: Rule[];
}

export type MatchKey =
  | 'state'
  | 'status'
  | 'helper'
  | 'l4proto'
  | 'dport'
  | 'sport'
  | 'saddr'
  | 'daddr'
  | 'iif'
  | 'oif'
  | 'nfproto'
  /** A reverse-path check. */
  | 'rpfilter'
  /** Something that narrows the rule and that nothing here looks into. */
  | 'other';

export interface Match {
  readonly key: MatchKey;
  readonly negated: boolean;
  /** Any of these; null where they are not to be seen (a named set). Ports are ranges of {@link ranges}. */
  readonly values: readonly string[] | null;
  readonly ranges: readonly (readonly [number, number])[] | null;
}

export type Action =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'notrack' | 'flow' | 'queue' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  /** `object` names an object of the table; iptables names the helper itself (`type`). */
  | { readonly kind: 'set-helper'; readonly object: string | null; readonly type: string | null }
  | { readonly kind: 'map-helper'; readonly protocol: string; readonly entries: readonly (readonly [string, string])[] }
  | { readonly kind: 'nat'; readonly form: 'masquerade' | 'snat' | 'dnat' | 'redirect'; readonly to: string | null };

export interface Rule {
  readonly line: number;
  readonly text: string;
  readonly matches: readonly Match[];
  /** The last one decides; null: the rule only counts or marks. */
  readonly action: Action | null;
  /** Under a rate, a quota or a count of connections. */
  readonly limited: boolean;
  /** A match or target of iptables that nft cannot show. */
  readonly opaque: boolean;
  readonly nftHandle: number | null;
  /** What stands before it on its line, where it has the line to itself; null: it cannot be replaced by lines. */
  readonly indent: string | null;
}

/** More than anybody goes through; the kernel takes some more. */
export const MAX_RULES = 50_000;

export function tooManyRules(name: string, line: number): InvalidInput {
  return new InvalidInput('ruleset', `${name}: line ${line}: more than ${MAX_RULES.toLocaleString('en')} rules.`);
}

export interface Ruleset {
  readonly format: 'nft' | 'nft-json' | 'iptables';
  readonly chains: readonly Chain[];
  readonly helpers: readonly HelperObject[];
  /** Things that could not be read, by line: nothing is said of them. */
  readonly unread: readonly { readonly line: number; readonly text: string }[];
}

/** Priorities by their names: nftables(8), and NF_IP_PRI_* of linux/netfilter_ipv4.h. */
const PRIORITIES: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
};

/** `mangle`, `filter - 10`, `-150`. */
export function priorityOf(words: readonly string[]): number {
  const text = words.join(' ').replace(/;[\s\S]*$/, '');
  const [, name, sign, offset] = /^([a-z]+)\s*(?:([+-])\s*(\d+))?/.exec(text) ?? [];
  if (name !== undefined) return (lookUp(PRIORITIES, name) ?? 0) + (offset ? Number(`${sign}${offset}`) : 0);
  return Number(/^(-?)\s*(\d+)/.exec(text)?.slice(1, 3).join('') ?? 0);
}

/** Above this conntrack has seen the packet (NF_IP_PRI_CONNTRACK); what stands lower sets a helper on nothing. */
export const CONNTRACK_PRIORITY = -200;

export function match(key: MatchKey, values: readonly string[] | null, negated = false): Match {
  return { key, negated, values, ranges: null };
}

export function ports(key: 'dport' | 'sport', ranges: readonly (readonly [number, number])[] | null, negated = false): Match {
  return { key, negated, values: null, ranges };
}

/** `22`, `22-25`, `ssh`: a range of ports. null for a name that is not known here. */
export function portRange(text: string): readonly [number, number] | null {
  const [, from, to] = /^(\d{1,5})(?:[-:](\d{1,5})?)?$/.exec(text) ?? [];
  if (from !== undefined) return [Number(from), /[-:]/.test(text) ? Number(to ?? PORT.max) : Number(from)];
  const service = lookUp(SERVICES, text);
  return service === undefined ? null : [service, service];
}

/** Values of ports with an operator as ranges; null where one is not known. */
export function ranges(list: readonly string[], op: string): (readonly [number, number])[] | null {
  const all = list.map(portRange);
  if (all.some((range) => range === null)) return null;
  const known = all as (readonly [number, number])[];
  const [first] = known;
  if (!first) return null;
  if (op === '<') return [[0, first[0] - 1]];
  if (op === '<=') return [[0, first[0]]];
  if (op === '>') return [[first[1] + 1, PORT.max]];
  if (op === '>=') return [[first[0], PORT.max]];
  return known;
}

/** Of /etc/services, those that rules about helpers name. */
const SERVICES: Readonly<Record<string, number>> = {
  'ftp-data': 20,
  ftp: 21,
  ssh: 22,
  telnet: 23,
  smtp: 25,
  domain: 53,
  tftp: 69,
  http: 80,
  ntp: 123,
  'netbios-ns': 137,
  snmp: 161,
  'snmp-trap': 162,
  ircd: 6667,
  https: 443,
  h323gatestat: 1719,
  h323hostcall: 1720,
  pptp: 1723,
  sip: 5060,
  'sip-tls': 5061,
  'sane-port': 6566,
  amanda: 10080,
};

export function chainKey({ family, table, name }: Pick<Chain, 'family' | 'table' | 'name'>): string {
  return `${family} ${table} ${name}`;
}
