/**
 * The content of `table inet pinhole` in one router, as typed objects: the small part of nftables that Pinhole writes.
 * `plan` renders it, `kernel` carries it to the kernel and reads it back. Nothing here can name another table, accept a
 * packet, or carry free text.
 */
import type { Protocol } from './catalogue.ts';

export const TABLE_NAME = 'pinhole';

export type ObjectFamily = 'inet' | 'ip' | 'ip6';

/** `ct helper NAME { type "T" protocol P; l3proto F; }` */
export interface HelperObject {
  readonly name: string;
  readonly type: string;
  readonly protocol: Protocol;
  readonly family: ObjectFamily;
}

export type Hook = 'prerouting' | 'forward' | 'output';

export interface Chain {
  readonly name: string;
  /** Present on base chains: where in the packet's path, and at which nftables priority (mangle is -150, filter 0). */
  readonly base?: { readonly hook: Hook; readonly priority: number };
  readonly rules: readonly Rule[];
}

export type LayerFour = Protocol | 'gre';

export type Match =
  | { readonly kind: 'ct-state'; readonly state: 'new' | 'related' }
  | { readonly kind: 'l4proto'; readonly not: boolean; readonly protocol: LayerFour }
  | { readonly kind: 'address'; readonly side: 'source' | 'destination'; readonly cidr: string }
  | { readonly kind: 'in-interface'; readonly name: string }
  | { readonly kind: 'dport'; readonly protocol: Protocol; readonly port: number }
  | { readonly kind: 'dport-below'; readonly protocol: Protocol; readonly port: number }
  | { readonly kind: 'dport-in'; readonly protocol: Protocol; readonly ports: readonly number[] }
  | { readonly kind: 'rate-over'; readonly perSecond: number; readonly burst: number };

export type Action =
  | { readonly kind: 'set-helper'; readonly object: string }
  /** `ct helper set tcp dport map { PORT : OBJECT, … }`, sorted by port, each port once. */
  | { readonly kind: 'map-helper'; readonly protocol: Protocol; readonly entries: readonly (readonly [number, string])[] }
  | { readonly kind: 'jump'; readonly chain: string }
  /** `ct helper vmap { "TYPE" : jump CHAIN, … }`, sorted by type: the helper of a related packet's master connection. */
  | { readonly kind: 'jump-by-helper'; readonly entries: readonly (readonly [string, string])[] }
  | { readonly kind: 'drop' };

export interface Rule {
  readonly matches: readonly Match[];
  readonly action: Action;
}

export interface Table {
  /** The stamp (`pinhole:v1 …`): whose table this is and which revision; not a proof that the content is intact. */
  readonly comment: string;
  readonly objects: readonly HelperObject[];
  readonly chains: readonly Chain[];
}

export const STAMP_PREFIX = 'pinhole:v1 ';

export interface Stamp {
  readonly revision: number;
  readonly sha256: string;
}

export function formatStamp(stamp: Stamp): string {
  return `${STAMP_PREFIX}rev=${stamp.revision} sha256=${stamp.sha256}`;
}

export function parseStamp(comment: string): Stamp | null {
  const found = /^pinhole:v1 rev=(\d{1,15}) sha256=([0-9a-f]{64})$/.exec(comment);
  return found ? { revision: Number(found[1]), sha256: found[2] as string } : null;
}
