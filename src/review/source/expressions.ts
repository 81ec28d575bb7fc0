import { type Assign, type Call, children, type Expr, type Node } from './ir.ts';

/**
 * A chain of names as text, such as `self.mapping.rules`; null: the expression is something else. An index keeps its container:
 * `a["x"].b` is `a[].b`.
 */
export function pathOf(node: Expr | null | undefined): string | null {
  if (!node) return null;
  node.budget.spend(2);
  switch (node.kind) {
    case 'name':
      return node.name;
    case 'attribute': {
      const object = pathOf(node.object);
      return object === null ? null : `${object}.${node.name}`;
    }
    case 'index': {
      const object = pathOf(node.object);
      return object === null ? null : `${object}[]`;
    }
    default:
      return null;
  }
}

/** The first name of a chain of attributes, indexes, slices and calls; null: the chain begins with something else. */
export function rootOf(node: Expr | null): string | null {
  for (let at: Expr | null = node; at; ) {
    at.budget.spend();
    if (at.kind === 'name') return at.name;
    if (at.kind === 'attribute' || at.kind === 'index' || at.kind === 'slice') at = at.object;
    else if (at.kind === 'call') at = at.callee;
    else return null;
  }
  return null;
}

/** Whether an expression is the literal `true`, `false` or `none` (None, null or undefined). */
export function isConstant(node: Expr | null | undefined, value: 'true' | 'false' | 'none'): boolean {
  return node?.kind === 'constant' && node.value === value;
}

/** Whether an expression is `self` or `this`. */
export function isSelf(node: Expr | null | undefined): boolean {
  return node?.kind === 'name' && (node.name === 'self' || node.name === 'this');
}

/** `x` of `self.x` or `this.#x`; null for anything else. */
export function selfAttribute(node: Expr | null | undefined): string | null {
  return node?.kind === 'attribute' && isSelf(node.object) ? node.name : null;
}

/** The last name of the callee: `apply` of `manager.apply()`. */
export function calleeName(call: Call): string | null {
  if (call.callee.kind === 'name') return call.callee.name;
  return call.callee.kind === 'attribute' ? call.callee.name : null;
}

/** The object on which a method is called; null: the call is no method call. */
export function receiver(call: Call): Expr | null {
  return call.callee.kind === 'attribute' ? call.callee.object : null;
}

/** All arguments of a call, positional ones first. */
export function argumentsOf(call: Call): Expr[] {
  call.budget.spend(call.args.length + call.keywords.length);
  return [...call.args, ...call.keywords.map(({ value }) => value)];
}

/** The value of a keyword argument; null: it is missing. */
export function keyword(call: Call, name: string): Expr | null {
  call.budget.spend(1 + call.keywords.length);
  return call.keywords.find((one) => one.name === name)?.value ?? null;
}

/** Whether a node, or any node inside it, passes a test. Depth first; stops at the first success. @throws OutOfSteps */
export function some(node: Node, test: (node: Node) => boolean): boolean {
  if (test(node)) return true;
  for (const child of children(node)) if (some(child, test)) return true;
  return false;
}

/** Calls `visit` with a node and every node inside it, in the order of the source. @throws OutOfSteps */
export function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  for (const child of children(node)) walk(child, visit);
}

/** Whether a path of {@link pathOf} occurs in a node. */
export function mentions(node: Node, path: string): boolean {
  return some(node, (one) => (one.kind === 'name' || one.kind === 'attribute' || one.kind === 'index') && pathOf(one) === path);
}

/** Words of an identifier, in lower case: `get_conntrackHelper` gives get, conntrack, helper. */
export function wordsOf(identifier: string): string[] {
  return identifier.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g)?.map((word) => word.toLowerCase()) ?? [];
}

/** The targets of an assignment, with patterns resolved into their parts. */
export function flatTargets(targets: readonly Expr[]): Expr[] {
  return targets.flatMap((target) => {
    target.budget.spend();
    if (target.kind === 'collection') return flatTargets(target.items);
    if (target.kind === 'dict') return flatTargets(target.entries.map(({ value }) => value));
    if (target.kind === 'other') return flatTargets(target.items as readonly Expr[]);
    return [target];
  });
}

/** Names that targets bind, alone or in a pattern. */
export function boundNames(targets: readonly Expr[]): string[] {
  return flatTargets(targets).flatMap((target) => (target.kind === 'name' ? [target.name] : []));
}

/** Whether an assignment gives its whole value to a name, not a part of it through a pattern. */
export function assignsTo({ targets }: Assign, name: string): boolean {
  return targets.some((target) => target.kind === 'name' && target.name === name);
}
