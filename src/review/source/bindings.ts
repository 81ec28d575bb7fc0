import { assignsTo } from './expressions.ts';
import type { Assign, Expr, Node } from './ir.ts';
import type { FunctionInfo } from './module.ts';

/** Assignments that bind a name, alone or in a pattern, in the order of the source. */
export function bindingsOf(fn: FunctionInfo, name: string): readonly Assign[] {
  return fn.bindings(name);
}

/** What a local name stands for, where it is given once before a place. */
export function localValue(fn: FunctionInfo, name: Expr & { name: string }): Expr | null {
  const assigned = fn.bindings(name.name).filter((one) => one.start < name.start && assignsTo(one, name.name));
  return assigned.length === 1 ? (assigned[0]?.value ?? null) : null;
}

/** What a local name was given last before a place. */
export function lastValue(fn: FunctionInfo, name: string, before: Node): Expr | null {
  return fn.bindings(name).findLast((one) => one.start < before.start && assignsTo(one, name))?.value ?? null;
}
