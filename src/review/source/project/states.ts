import { flatTargets, some } from '../expressions.ts';
import type { Expr, Loop, Node, Stmt } from '../ir.ts';
import { isLogging } from '../vocabulary.ts';
import { assigned, type Known, keyOf, refined, type State } from './values.ts';

/** The state in which a place is something. */
export function something(state: ReadonlyMap<string, Known>, key: string | null): ReadonlyMap<string, Known> {
  return key === null || state.get(key) === 'something' ? state : refined(state, key, 'something');
}

/** What an expression that is something went through: `x` and `x.y` of `x?.y?.z`. */
export function reached(node: Expr, state: ReadonlyMap<string, Known>): ReadonlyMap<string, Known> {
  let now = state;
  for (
    let at = node;
    at.kind === 'attribute' || at.kind === 'index' || at.kind === 'call';
    at = at.kind === 'call' ? at.callee : at.object
  ) {
    node.budget.spend();
    if (at.kind !== 'call' && at.optional) now = something(now, keyOf(at.object));
  }
  return now;
}

/** The state without what is known of a place. */
export function forget(state: ReadonlyMap<string, Known>, key: string | null): ReadonlyMap<string, Known> {
  return key === null ? state : assigned(state, key, null);
}

/** Everything that a condition mentions in a way that is not followed. */
export function forgetAll(state: ReadonlyMap<string, Known>, node: Node): ReadonlyMap<string, Known> {
  let now = state;
  some(node, (one) => {
    const key = one.kind === 'name' || one.kind === 'attribute' || one.kind === 'index' ? keyOf(one) : null;
    if (key !== null && now.has(key)) now = refined(now, key, null);
    return false;
  });
  return now;
}

/** A call can change the attributes of every object. */
export function forgetAttributes(state: ReadonlyMap<string, Known>): ReadonlyMap<string, Known> {
  let changed = false;
  const kept = new Map<string, Known>();
  for (const [key, known] of state) {
    const isTested = known !== 'something' && key.includes('.') && known.origin.kind === 'tested';
    if (isTested) changed = true;
    else kept.set(key, known);
  }
  return changed ? kept : state;
}

/** After a branch that calls something besides the log, a place that was nothing in it may have been filled. */
export function handled(statements: readonly Stmt[], state: State): State {
  if (state === null) return null;
  const acts = statements.some((node) => node.kind !== 'assign' && some(node, (one) => one.kind === 'call' && !isLogging(one)));
  if (!acts) return state;
  const kept = new Map<string, Known>();
  for (const [key, known] of state) if (known === 'something' || !known.sure) kept.set(key, known);
  return kept;
}

/** Places that a loop assigns. */
export function assignedIn(node: Loop): ReadonlySet<string> {
  const found = namesAssigned(node.body);
  for (const one of flatTargets(node.target ? [node.target] : [])) {
    const key = keyOf(one);
    if (key !== null) found.add(key);
  }
  return found;
}

/** Places that statements assign or delete. */
export function namesAssigned(statements: readonly Stmt[]): Set<string> {
  const found = new Set<string>();
  for (const statement of statements) {
    some(statement, (node) => {
      if (node.kind !== 'assign' && node.kind !== 'delete') return false;
      for (const target of flatTargets(node.targets)) {
        const key = keyOf(target);
        if (key !== null) found.add(key);
      }
      return false;
    });
  }
  return found;
}
