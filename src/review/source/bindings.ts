import { assignsTo } from './expressions.ts';
import type { Assign, Expr, Node } from './ir.ts';
import type { FunctionInfo } from './module.ts';

/** Assignments that bind a name, alone or in a pattern, in the order of the source. */
export function bindingsOf(fn: FunctionInfo, name: string): readonly Assign[] {
  return fn.bindings(name);
}

/** The value of a local name that is assigned exactly once before a place; null otherwise. */
export function localValue(fn: FunctionInfo, name: Expr & { name: string }): Expr | null {
  const assigned = fn.bindings(name.name).filter((one) => one.start < name.start && assignsTo(one, name.name));
  return assigned.length === 1 ? (assigned[0]?.value ?? null) : null;
}

/** The value of the last assignment to a local name before a place, in the order of the text; null: there is none. */
export function lastValue(fn: FunctionInfo, name: string, before: Node): Expr | null {
  return fn.bindings(name).findLast((one) => one.start < before.start && assignsTo(one, name))?.value ?? null;
}
