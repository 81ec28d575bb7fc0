import { PORT } from '../../contract/primitives.ts';
import { InvalidInput } from '../../model/errors.ts';
import { lookUp } from '../../model/look-up.ts';
import type { Statement } from './exact.ts';

// A ruleset as far as helpers and the ports that they open are concerned. The readers of nft text, nft JSON and iptables-save
// produce it; whatever they do not model becomes a match of kind `other`, or an entry of `unread`.

/** Address family of a table (nft(8)). */
export type NftFamily = 'inet' | 'ip' | 'ip6' | 'bridge' | 'arp' | 'netdev';

/** A `ct helper` object of a table. */
export interface HelperObject {
  readonly family: NftFamily;
  readonly table: string;
  readonly name: string;
  /** Name under which the kernel registers the helper, such as `ftp` or `Q.931`. */
  readonly type: string;
  readonly protocol: string;
  /** `ip`, `ip6` or `inet`, which is the default. */
  readonly l3proto: string;
  readonly line: number;
}

/** What makes a chain a base chain. */
export interface Base {
  readonly type: string;
  readonly hook: string;
  /** Lower ones run first. */
  readonly priority: number;
  readonly policy: 'accept' | 'drop';
  /** Interfaces whose packets it sees, at the hooks ingress and egress of a device. */
  readonly devices?: readonly string[];
}

/** A chain with its rules, in order. */
export interface Chain {
  readonly family: NftFamily;
  readonly table: string;
  readonly name: string;
  /** null: only jumps lead to it. */
  readonly base: Base | null;
  readonly line: number;
  readonly rules: Rule[];
}

/** What a match looks at. */
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
  /** Anything else that narrows the rule. */
  | 'other';

/** One condition of a rule. All conditions have to hold. */
export interface Match {
  readonly key: MatchKey;
  readonly negated: boolean;
  /** Alternatives; null: unknown (the elements of a dynamic set), or none (ports, which are in `ranges`). */
  readonly values: readonly string[] | null;
  /** Alternatives for ports, as inclusive ranges; null: unknown, or the match is not about ports. */
  readonly ranges: readonly (readonly [number, number])[] | null;
}

/** The part of a rule that acts. Actions that neither decide nor concern helpers are left out. */
export type Action =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'notrack' | 'flow' | 'queue' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  /** `object` names an object of the table (nft); `type` is the kernel's name itself (iptables). The other is null. */
  | { readonly kind: 'set-helper'; readonly object: string | null; readonly type: string | null }
  | { readonly kind: 'map-helper'; readonly protocol: string; readonly entries: readonly (readonly [string, string])[] }
  | { readonly kind: 'nat'; readonly form: 'masquerade' | 'snat' | 'dnat' | 'redirect'; readonly to: string | null };

/** A rule. A verdict map is one rule for each of its entries, all with the same line. */
export interface Rule {
  readonly line: number;
  readonly text: string;
  readonly matches: readonly Match[];
  /** null: the rule only counts, logs or marks. */
  readonly action: Action | null;
  /** Whether a rate, a quota or a connection count limits it. */
  readonly limited: boolean;
  /** Whether it has a match or target of iptables (`xt`) that nft cannot show. */
  readonly opaque: boolean;
  /** Handle in a live ruleset; null: it was read from text. */
  readonly nftHandle: number | null;
  /** White space before a rule that has its line to itself; null: it shares the line, so a hunk cannot replace it. */
  readonly indent: string | null;
  /**
   * What the rule does with one packet, statement by statement; undefined: it was read from nft's text. The first rule of a verdict
   * map has the statements of all of them.
   */
  readonly exact?: readonly Statement[];
}

/** A larger ruleset is refused. The kernel itself has no limit of this kind. */
export const MAX_RULES = 50_000;

/** The error for a ruleset beyond {@link MAX_RULES}. */
export function tooManyRules(name: string, line: number): InvalidInput {
  return new InvalidInput('ruleset', `${name}: line ${line}: more than ${MAX_RULES.toLocaleString('en')} rules.`);
}

/** A ruleset that was read. */
export interface Ruleset {
  readonly format: 'nft' | 'nft-json' | 'iptables';
  readonly chains: readonly Chain[];
  readonly helpers: readonly HelperObject[];
  /** Statements that could not be read, by line. */
  readonly unread: readonly { readonly line: number; readonly text: string }[];
}

/** Names of priorities (nft(8)), with the values of NF_IP_PRI_* (linux/netfilter_ipv4.h). */
const PRIORITIES: Readonly<Record<string, number>> = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
};

/** The number of a priority in nft notation: `mangle`, `filter - 10` or `-150`. An unknown name counts as 0. */
export function priorityOf(words: readonly string[]): number {
  const text = words.join(' ').replace(/;[\s\S]*$/, '');
  const [, name, sign, offset] = /^([a-z]+)\s*(?:([+-])\s*(\d+))?/.exec(text) ?? [];
  if (name !== undefined) return (lookUp(PRIORITIES, name) ?? 0) + (offset ? Number(`${sign}${offset}`) : 0);
  return Number(/^(-?)\s*(\d+)/.exec(text)?.slice(1, 3).join('') ?? 0);
}

/**
 * NF_IP_PRI_CONNTRACK (linux/netfilter_ipv4.h). Chains below it see packets before conntrack does; `ct helper set` has no effect
 * there.
 */
export const CONNTRACK_PRIORITY = -200;

/**
 * A match without port ranges.
 * @param values alternatives; null: unknown
 */
export function match(key: MatchKey, values: readonly string[] | null, negated = false): Match {
  return { key, negated, values, ranges: null };
}

/**
 * A match on ports.
 * @param ranges inclusive; null: unknown
 */
export function ports(key: 'dport' | 'sport', ranges: readonly (readonly [number, number])[] | null, negated = false): Match {
  return { key, negated, values: null, ranges };
}

/** An inclusive range of ports from `22`, `22-25`, `22:25` or `ssh`; null: the service name is unknown. */
export function portRange(text: string): readonly [number, number] | null {
  const [, from, to] = /^(\d{1,5})(?:[-:](\d{1,5})?)?$/.exec(text) ?? [];
  if (from !== undefined) return [Number(from), /[-:]/.test(text) ? Number(to ?? PORT.max) : Number(from)];
  const service = lookUp(SERVICES, text);
  return service === undefined ? null : [service, service];
}

/**
 * Inclusive port ranges for a list of values and an operator (`==`, `!=`, `<`, `<=`, `>`, `>=`); null: a value is unknown.
 * Negation is left to the match.
 */
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

/** Service names of /etc/services that rules about helpers use. */
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

/** `family table name`, which identifies a chain, set or object. */
export function chainKey({ family, table, name }: Pick<Chain, 'family' | 'table' | 'name'>): string {
  return `${family} ${table} ${name}`;
}
