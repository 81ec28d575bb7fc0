/**
 * The content of `table inet pinhole` in one router, as typed objects: the small part of nftables that Pinhole writes. `plan` renders
 * it, `kernel` writes it to the kernel and reads it back. The types cannot name another table, accept a packet, or carry free text.
 *
 *   Table ─┬─ objects ── ct helper NAME { type, protocol, family }
 *          └─ chains ─── rules ─── matches, then one action: set-helper / map-helper (refer to objects), jump, drop
 */
import type { Protocol } from './catalogue.ts';

export const TABLE_NAME = 'pinhole';

/** `l3proto` of a helper object; `inet` for both families. */
export type ObjectFamily = 'inet' | 'ip' | 'ip6';

/** `ct helper NAME { type "T" protocol P; l3proto F; }` */
export interface HelperObject {
  readonly name: string;
  readonly type: string;
  readonly protocol: Protocol;
  readonly family: ObjectFamily;
}

export type Hook = 'prerouting' | 'input' | 'forward' | 'output';

/** A chain with its rules in order. */
export interface Chain {
  readonly name: string;
  /** Only on base chains: the hook and the nftables priority (mangle is -150, filter is 0). */
  readonly base?: { readonly hook: Hook; readonly priority: number };
  readonly rules: readonly Rule[];
}

export type LayerFour = Protocol | 'gre';

/** One condition of a rule. `dport-below` and `rate-over` exclude the number itself; rates are packets per second. */
export type Match =
  | { readonly kind: 'ct-state'; readonly state: 'new' | 'related' }
  | { readonly kind: 'l4proto'; readonly not: boolean; readonly protocol: LayerFour }
  | { readonly kind: 'address'; readonly side: 'source' | 'destination'; readonly cidr: string }
  | { readonly kind: 'in-interface'; readonly name: string }
  | { readonly kind: 'dport'; readonly protocol: Protocol; readonly port: number }
  | { readonly kind: 'dport-below'; readonly protocol: Protocol; readonly port: number }
  | { readonly kind: 'dport-in'; readonly protocol: Protocol; readonly ports: readonly number[] }
  | { readonly kind: 'rate-over'; readonly perSecond: number; readonly burst: number };

/** What a rule does with a packet that matches all its conditions. */
export type Action =
  | { readonly kind: 'set-helper'; readonly object: string }
  /** `ct helper set tcp dport map { PORT : OBJECT, … }`, sorted by port, each port once. */
  | { readonly kind: 'map-helper'; readonly protocol: Protocol; readonly entries: readonly (readonly [number, string])[] }
  | { readonly kind: 'jump'; readonly chain: string }
  /** `ct helper vmap { "TYPE" : jump CHAIN, … }`, sorted by type: the helper of a related packet's master connection decides. */
  | { readonly kind: 'jump-by-helper'; readonly entries: readonly (readonly [string, string])[] }
  | { readonly kind: 'drop' };

/** A rule: all matches must hold, in this order. */
export interface Rule {
  readonly matches: readonly Match[];
  readonly action: Action;
}

/** The whole table. */
export interface Table {
  /**
   * The stamp (`pinhole:v2 …`): it says which installation of Pinhole made the table, and for which revision. It does not prove that the
   * content is intact.
   */
  readonly comment: string;
  readonly objects: readonly HelperObject[];
  readonly chains: readonly Chain[];
}

/**
 * The parsed comment of a table: whose it is, the router's revision, and the SHA-256 of the content in hex. `installation` is null in a
 * stamp of version 1, which names none.
 */
export interface Stamp {
  readonly installation: string | null;
  readonly revision: number;
  readonly sha256: string;
}

/**
 * Returns the comment of a table with this stamp: at most 128 characters, the most that `nft` takes back from a saved ruleset
 * (NFTNL_UDATA_COMMENT_MAXLEN in its parser).
 */
export function formatStamp({ installation, revision, sha256 }: Stamp): string {
  const owner = installation === null ? 'pinhole:v1' : `pinhole:v2 installation=${installation}`;
  return `${owner} rev=${revision} sha256=${sha256}`;
}

/** Returns the stamp in a table's comment; null for any other comment. */
export function parseStamp(comment: string): Stamp | null {
  const found = /^pinhole:(?:v1|v2 installation=([0-9a-f]{12})) rev=(\d{1,15}) sha256=([0-9a-f]{64})$/.exec(comment);
  return found ? { installation: found[1] ?? null, revision: Number(found[2]), sha256: found[3] as string } : null;
}

/** Whether a comment is a stamp of Pinhole's, of this or of another version. */
export function isStamp(comment: string): boolean {
  return /^pinhole:v\d/.test(comment);
}

/**
 * Returns the installation that a table's comment names, also in a stamp of a later version. Null if it names none: a stamp of version 1,
 * or no stamp.
 */
export function installationOf(comment: string): string | null {
  return /^pinhole:v\d+ installation=([0-9a-f]{12})(?: |$)/.exec(comment)?.[1] ?? null;
}
