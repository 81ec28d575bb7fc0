import { isConstant } from '../expressions.ts';
import type { Call, Expr, Node } from '../ir.ts';
import { forgetAll, reached, something } from './states.ts';
import { join, type Known, keyOf, member, refined, type State } from './values.ts';

/** Where the origins of values are noted that a condition tests. */
type Tested = Set<Node>;

/** The state in which a condition has a value. null: it cannot have it. */
export function assume(test: Expr, holds: boolean, state: ReadonlyMap<string, Known>, tested: Tested): State {
  test.budget.spend(3);
  switch (test.kind) {
    case 'not':
      return assume(test.operand, !holds, state, tested);
    case 'logic':
      return assumeLogic(test, holds, state, tested);
    case 'compare':
      return assumeCompare(test, holds, state, tested);
    case 'constant':
      return (test.value === 'true') === holds ? state : null;
    case 'assign': {
      const key = keyOf(test.targets[0] ?? null);
      return key === null ? state : decided(key, holds, { tested, node: test, state, isExact: false });
    }
    case 'call':
      return assumeCall(test, holds, state, tested);
    case 'ternary':
    case 'comprehension':
      return forgetAll(state, test);
    default: {
      const key = keyOf(test);
      if (key === null) return state;
      const inner = holds ? reached(test, state) : state;
      return decided(key, holds, { tested, node: test, state: inner, isExact: false });
    }
  }
}

function assumeLogic(test: Extract<Expr, { kind: 'logic' }>, holds: boolean, state: ReadonlyMap<string, Known>, tested: Tested): State {
  if (test.op === '??') return forgetAll(state, test);
  if ((test.op === 'and') === holds) {
    const left = assume(test.left, holds, state, tested);
    return left && assume(test.right, holds, left, tested);
  }
  const left = assume(test.left, holds, state, tested);
  const passed = assume(test.left, !holds, state, tested);
  return join(left, passed && assume(test.right, holds, passed, tested));
}

function assumeCompare(
  { op, left, right }: Extract<Expr, { kind: 'compare' }>,
  holds: boolean,
  state: ReadonlyMap<string, Known>,
  tested: Tested,
): State {
  const equal = /^(==|===|is)$/.test(op);
  if (equal || /^(!=|!==|is not)$/.test(op)) {
    const node = isNothing(right) ? left : isNothing(left) ? right : null;
    const key = keyOf(node);
    const inner = node && equal !== holds ? reached(node, state) : state;
    if (node && key !== null) return decided(key, equal !== holds, { tested, node, state: inner, isExact: true });
    if (equal !== holds || isNothing(left) || isNothing(right)) return forgetAll(state, left);
    return something(something(reached(left, state), keyOf(left)), keyOf(right));
  }
  if (op === 'in' || op === 'not in') {
    const inside = member(right, left);
    if ((op === 'in') !== holds) return state;
    const known = inside === null ? state : something(state, inside);
    return something(known, keyOf(left));
  }
  return something(something(state, keyOf(left)), keyOf(right));
}

/** A test by a function, such as `isinstance(x, str)`: its author has thought of nothing. */
function assumeCall(test: Call, holds: boolean, state: ReadonlyMap<string, Known>, tested: Tested): State {
  const key = keyOf(test);
  const after = key === null ? state : decided(key, holds, { tested, node: test, state, isExact: false });
  if (after === null) return null;
  const inner = holds ? reached(test, after) : after;
  mark(tested, state.get(key ?? ''), test);
  return [...test.args, ...test.keywords.map(({ value }) => value)].reduce((now, one) => {
    const place = keyOf(one);
    if (place !== null) mark(tested, state.get(place), null);
    return something(now, place);
  }, inner);
}

/** A place was tested: it is something, or nothing. */
function decided(
  key: string,
  isSomething: boolean,
  { tested, node, state, isExact }: { tested: Tested; node: Expr; state: ReadonlyMap<string, Known>; isExact: boolean },
): State {
  const known = state.get(key);
  mark(tested, known, node);
  if (isSomething) return known && known !== 'something' && known.sure && isExact ? null : refined(state, key, 'something');
  if (known && known !== 'something' && known.origin.kind !== 'parameter') return refined(state, key, { ...known, sure: true });
  return refined(state, key, isExact ? { origin: { kind: 'tested', node }, sure: true } : null);
}

/** Notes that a result was tested. */
function mark(tested: Tested, known: Known | undefined, node: Expr | null): void {
  if (known && known !== 'something' && known.origin.node) tested.add(known.origin.node);
  if (node?.kind === 'call') tested.add(node);
}

function isNothing(node: Expr): boolean {
  return isConstant(node, 'none');
}
