import type { NftFamily } from './model.ts';

// What a rule does with one packet whose fields are known, statement by statement. The readers of nft's JSON and of iptables-save
// produce it beside the matches of `model.ts`, which describe a rule for packets that an attacker chooses.

/** A value of nft's language: a number, or a word such as `tcp`, `lan` or `10.0.0.1`. */
export type Scalar = string | number;

/** Alternatives on the right side of a condition, and keys of maps. */
export type Value =
  | { readonly kind: 'one'; readonly value: Scalar }
  /** Inclusive. */
  | { readonly kind: 'range'; readonly from: Scalar; readonly to: Scalar }
  | { readonly kind: 'prefix'; readonly address: string; readonly length: number }
  /** Of a concatenation, part by part. */
  | { readonly kind: 'concat'; readonly parts: readonly Value[] }
  /** Just these flags, of a set whose elements are combinations of flags. */
  | { readonly kind: 'flags'; readonly all: readonly string[] }
  | { readonly kind: 'any' };

/** Something that has a value for a packet. */
export type Operand =
  /** As nft names it: `ip saddr`, `th dport`, `meta mark`, `ct state`, `ct original ip saddr`, `fib saddr,iif oif`; or `xt helper`. */
  | { readonly kind: 'field'; readonly name: string }
  | { readonly kind: 'constant'; readonly value: Scalar | readonly string[] }
  | { readonly kind: 'bits'; readonly op: '&' | '|' | '^'; readonly left: Operand; readonly right: Operand }
  | { readonly kind: 'concat'; readonly parts: readonly Operand[] }
  /** `entries` null: the map is not known. */
  | { readonly kind: 'map'; readonly key: Operand; readonly entries: readonly (readonly [Value, Scalar])[] | null }
  | { readonly kind: 'unknown' };

/** `in` asks for one of several flags; `not in`, which nft's JSON spells `!`, for none of them. */
export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';

export type Verdict =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'continue' | 'queue' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

/** What the rule changes on the packet or its connection. */
export type Target = 'meta mark' | 'ct mark' | 'ct zone' | 'ct original zone' | 'ct reply zone';

export type Statement =
  /** `right` null: its values are not known. */
  | {
      readonly kind: 'condition';
      readonly left: Operand;
      readonly op: Comparison;
      readonly right: readonly Value[] | null;
      /** Whether it holds for every packet that has no connection. */
      readonly needsConnection?: boolean;
    }
  /** A rate. `over`: holds for packets beyond it. */
  | { readonly kind: 'rate'; readonly over: boolean }
  /** Number of connections. `over`: holds for more than `count`. */
  | { readonly kind: 'connections'; readonly count: number; readonly over: boolean }
  | { readonly kind: 'set'; readonly target: Target; readonly value: Operand }
  | { readonly kind: 'notrack' }
  /** `object` names an object of the table; `type` is the kernel's name. The other is null. */
  | { readonly kind: 'helper'; readonly object: Operand | null; readonly type: string | null }
  | {
      readonly kind: 'nat';
      readonly form: 'masquerade' | 'snat' | 'dnat' | 'redirect';
      readonly family: NftFamily | null;
      readonly address: Operand | null;
      readonly port: Operand | null;
    }
  | { readonly kind: 'verdict'; readonly verdict: Verdict }
  | { readonly kind: 'verdict-map'; readonly key: Operand; readonly entries: readonly (readonly [Value, Verdict])[] | null }
  /** A condition that is not modelled. */
  | { readonly kind: 'opaque' };

/** A field as an operand. */
export function field(name: string): Operand {
  return { kind: 'field', name };
}

/** A single value. */
export function one(value: Scalar): Value {
  return { kind: 'one', value };
}

export const UNKNOWN: Operand = { kind: 'unknown' };

/** Whether an operand is a set of flags: of TCP, or of a connection's state and status. */
export function isFlags(operand: Operand): boolean {
  if (operand.kind === 'bits') return isFlags(operand.left);
  return operand.kind === 'field' && /^(tcp flags|ct status|ct state)$/.test(operand.name);
}
