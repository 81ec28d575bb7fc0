import ipaddr from 'ipaddr.js';
import { type Network, networkContains, parseNetwork } from '../model/address.ts';
import type { Family } from '../model/catalogue.ts';
import type { Match } from '../review/ruleset/model.ts';
import type { Assignment, RulesetView } from '../review/ruleset/view.ts';

/** One side of the router: a host, and the router's address on that link. */
interface Side {
  readonly host: string;
  readonly gateway: string;
  /** Length of the common prefix, in bits. */
  readonly prefix: number;
}

/** Addresses of one family, and names of the interfaces of the router. */
export interface LabNetwork {
  readonly family: Family;
  readonly client: Side;
  readonly server: Side;
  readonly inside: string;
  readonly outside: string;
}

/** Networks for addresses that the ruleset does not determine. The second one is used if the ruleset mentions the first. */
const CLIENTS: Readonly<Record<Family, readonly string[]>> = {
  ipv4: ['10.66.1.0/24', '10.66.2.0/24'],
  ipv6: ['fd66:1::/64', 'fd66:3::/64'],
};
const SERVERS: Readonly<Record<Family, readonly string[]>> = {
  ipv4: ['203.0.113.0/24', '198.51.100.0/24'],
  ipv6: ['fd66:2::/64', 'fd66:4::/64'],
};
/** A wider network contains addresses that no host can have; it is ignored as a condition. */
const MIN_PREFIX = 8;
/** Size of the link around a single address, in bits. */
const HOST_BITS = 8;

/**
 * Interfaces and addresses for which the conditions of the ruleset hold.
 * @param assignment the assignment to try; null: any
 */
export function networkFor(view: RulesetView, assignment: Assignment | null, family: Family): LabNetwork {
  const matches = view.ruleset.chains.flatMap(({ rules }) => rules).flatMap((rule) => rule.matches.map((one) => ({ one, rule })));
  const names = (key: 'iif' | 'oif') => matches.filter(({ one }) => one.key === key && !one.negated).flatMap(({ one }) => one.values ?? []);
  const nat = matches.find(({ one, rule }) => one.key === 'oif' && !one.negated && rule.action?.kind === 'nat')?.one.values?.[0];
  const own = assignment?.place?.matches ?? [];
  const wanted = own.find(({ key, negated }) => key === 'iif' && !negated)?.values?.[0];
  const outside = firstUsable([nat, ...names('oif').filter((name) => name !== wanted)], []) ?? 'labout0';
  const inside = firstUsable([wanted, ...names('iif')], [outside]) ?? 'labin0';
  const source = named(own, 'saddr', family);
  const destination = named(own, 'daddr', family);
  const from = source ?? apartFrom(destination, CLIENTS[family]);
  const to = destination ?? apartFrom(from, SERVERS[family]);
  return { family, client: side(from), server: side(to), inside, outside };
}

/** A valid interface name (dev_valid_name, net/core/dev.c), and stricter, because commands of root contain it. */
const INTERFACE = /^(?!lo$|\.{1,2}$)[\w.-]{1,15}$/;

/** The first usable name. `eth*` and `eth+` stand for eth0. */
function firstUsable(names: readonly (string | undefined)[], taken: readonly string[]): string | undefined {
  return names.map((name) => name?.replace(/[+*]$/, '0') ?? '').find((name) => INTERFACE.test(name) && !taken.includes(name));
}

/** The first network of a family in the conditions; of a range, its first address; null: there is none. */
function named(matches: readonly Match[], wanted: 'saddr' | 'daddr', family: Family): Network | null {
  const values = matches.filter(({ key, negated }) => key === wanted && !negated).flatMap(({ values }) => values ?? []);
  for (const value of values) {
    const network = networkOf(value.split('-')[0] ?? '');
    if (network?.family === family && network.prefix >= MIN_PREFIX) return network;
  }
  return null;
}

function networkOf(text: string): Network | null {
  try {
    return parseNetwork(text, 'address');
  } catch {
    return null;
  }
}

/** The first candidate that does not overlap with another network. */
function apartFrom(other: Network | null, candidates: readonly string[]): Network {
  const networks = candidates.map((text) => parseNetwork(text, 'address'));
  const meets = (one: Network) => other !== null && (networkContains(other, one) || networkContains(one, other));
  return networks.find((one) => !meets(one)) ?? (networks[0] as Network);
}

/** Host and gateway in a network. For a single address, the host has that address. */
function side({ bytes, prefix }: Network): Side {
  const width = bytes.length * 8;
  if (prefix <= width - 2) return { host: above(bytes, 2), gateway: above(bytes, 1), prefix };
  const last = bytes.at(-1) as number;
  const base = bytes.with(-1, 0);
  return { host: above(base, last), gateway: above(base, last === 1 ? 3 : 1), prefix: width - HOST_BITS };
}

function above(bytes: readonly number[], count: number): string {
  return ipaddr.fromByteArray(bytes.with(-1, (bytes.at(-1) as number) + count)).toString();
}
