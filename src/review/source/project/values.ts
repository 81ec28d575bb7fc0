import type { Attribute, Call, Expr, Node } from '../ir.ts';

/** Where a value that may be nothing (None, null, undefined) comes from. */
export type Origin =
  /** A look-up of the language itself or of a known library. */
  | { readonly kind: 'lookup'; readonly node: Expr; readonly why: string }
  /** The result of a function or property, of which the project knows more; `part`: an item of the tuple that it returns. */
  | { readonly kind: 'result'; readonly node: Call | Attribute; readonly part: number | null }
  /** A parameter: the caller decides. */
  | { readonly kind: 'parameter'; readonly node: null; readonly name: string }
  /** The function itself compares the value with nothing, and goes on. */
  | { readonly kind: 'tested'; readonly node: Node }
  /** The literal. */
  | { readonly kind: 'literal'; readonly node: Node };

/** A value that is nothing here (`sure`), or may be. */
export interface Maybe {
  readonly origin: Origin;
  readonly sure: boolean;
}

/** What is known of a place: it may be nothing, or it is something. */
export type Known = Maybe | 'something';

/** What is known where control reaches a statement, by the key of a place ({@link keyOf}). null: control does not reach it. */
export type State = ReadonlyMap<string, Known> | null;

/**
 * The name of a place whose value can be followed: `x`, `self.x`, `x["k"]`. `x.get("k")` is the place `x["k"]` too. null: the
 * expression is no such place.
 */
export function keyOf(node: Expr | null): string | null {
  if (!node) return null;
  node.budget.spend(2);
  if (node.kind === 'name') return node.name;
  if (node.kind === 'attribute') return joined(node.object, `.${node.name}`);
  if (node.kind === 'index') return member(node.object, node.index);
  if (node.kind === 'call' && node.callee.kind === 'attribute' && node.callee.name === 'get' && node.args.length === 1) {
    return member(node.callee.object, node.args[0] as Expr);
  }
  return null;
}

/** The place of a member of a container, if its key is a text, a number or itself a place. */
export function member(container: Expr, index: Expr): string | null {
  if (index.kind === 'text' && index.parts.length === 0) return joined(container, `["${index.value.slice(0, MAX_KEY)}"]`);
  if (index.kind === 'num') return joined(container, `[${index.value}]`);
  const key = keyOf(index);
  return key === null ? null : joined(container, `[${key}]`);
}

/** Longer keys are cut: a place is a name for comparing. */
const MAX_KEY = 60;
const MAX_PLACE = 200;

function joined(object: Expr, rest: string): string | null {
  const key = keyOf(object);
  return key === null || key.length + rest.length > MAX_PLACE ? null : key + rest;
}

/** What is known after two paths meet. */
export function join(one: State, other: State): State {
  if (one === null) return other;
  if (other === null || one === other) return one;
  const met = new Map<string, Known>();
  for (const [key, known] of one) {
    const both = meet(known, other.get(key));
    if (both) met.set(key, both);
  }
  for (const [key, known] of other) {
    const both = one.has(key) ? undefined : meet(known, undefined);
    if (both) met.set(key, both);
  }
  return met;
}

function meet(one: Known, other: Known | undefined): Known | undefined {
  if (one === 'something') return other === undefined || other === 'something' ? other : meet(other, one);
  if (other === undefined || other === 'something') {
    // What the caller decides, or a start value that the other path replaces, says nothing about both paths.
    return one.origin.kind === 'parameter' || one.origin.kind === 'literal' ? undefined : { ...one, sure: false };
  }
  const { origin } = RANK[one.origin.kind] <= RANK[other.origin.kind] ? one : other;
  return { origin, sure: one.sure && other.sure };
}

const RANK: Readonly<Record<Origin['kind'], number>> = { lookup: 0, result: 1, tested: 2, literal: 3, parameter: 4 };

/** The state with one place known anew; what was known of its members is forgotten. */
export function assigned(state: ReadonlyMap<string, Known>, key: string, known: Known | null): ReadonlyMap<string, Known> {
  const next = new Map<string, Known>();
  if (known === null && state.size === 0) return state;
  for (const [place, value] of state) {
    if (place === key || place.startsWith(`${key}.`) || place.startsWith(`${key}[`) || place.includes(`[${key}]`)) continue;
    next.set(place, value);
  }
  if (known && next.size < MAX_PLACES) next.set(key, known);
  return next;
}

/** Places that are followed at once. More are forgotten, so that the work for a statement is bounded. */
const MAX_PLACES = 120;

/** The state with one place known better, its members as before. */
export function refined(state: ReadonlyMap<string, Known>, key: string, known: Known | null): ReadonlyMap<string, Known> {
  if (known === null ? !state.has(key) : state.size >= MAX_PLACES && !state.has(key)) return state;
  const next = new Map(state);
  if (known) next.set(key, known);
  else next.delete(key);
  return next;
}
