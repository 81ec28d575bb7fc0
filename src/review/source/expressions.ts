import { type Assign, type Call, children, type Expr, type Node } from './ir.ts';

/** `self.mapping.rules` as text; null where it is not a chain of names. Indexing keeps the container: `a['x'].b` is `a[].b`. */
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

/** The name that a chain of attributes, indexes and calls begins with. */
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

/** `true`, `false` or `none` (None, null, undefined) as they are. */
export function isConstant(node: Expr | null | undefined, value: 'true' | 'false' | 'none'): boolean {
  return node?.kind === 'constant' && node.value === value;
}

export function isSelf(node: Expr | null | undefined): boolean {
  return node?.kind === 'name' && (node.name === 'self' || node.name === 'this');
}

/** `x` of `self.x` or `this.#x`. */
export function selfAttribute(node: Expr | null | undefined): string | null {
  return node?.kind === 'attribute' && isSelf(node.object) ? node.name : null;
}

/** Last name of what is called: `apply` of `manager.apply()`. */
export function calleeName(call: Call): string | null {
  if (call.callee.kind === 'name') return call.callee.name;
  return call.callee.kind === 'attribute' ? call.callee.name : null;
}

/** Object that a method is called on. */
export function receiver(call: Call): Expr | null {
  return call.callee.kind === 'attribute' ? call.callee.object : null;
}

/** All that a call is given, by position and by name. */
export function argumentsOf(call: Call): Expr[] {
  call.budget.spend(call.args.length + call.keywords.length);
  return [...call.args, ...call.keywords.map(({ value }) => value)];
}

export function keyword(call: Call, name: string): Expr | null {
  call.budget.spend(1 + call.keywords.length);
  return call.keywords.find((one) => one.name === name)?.value ?? null;
}

export function some(node: Node, test: (node: Node) => boolean): boolean {
  if (test(node)) return true;
  for (const child of children(node)) if (some(child, test)) return true;
  return false;
}

export function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  for (const child of children(node)) walk(child, visit);
}

export function mentions(node: Node, path: string): boolean {
  return some(node, (one) => (one.kind === 'name' || one.kind === 'attribute' || one.kind === 'index') && pathOf(one) === path);
}

/** Words of an identifier: `get_conntackHelper` → get, conntack, helper. */
export function wordsOf(identifier: string): string[] {
  return identifier.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])/g)?.map((word) => word.toLowerCase()) ?? [];
}

/** What is written to by an assignment, with tuples taken apart. */
export function flatTargets(targets: readonly Expr[]): Expr[] {
  return targets.flatMap((target) => {
    target.budget.spend();
    if (target.kind === 'collection') return flatTargets(target.items);
    if (target.kind === 'dict') return flatTargets(target.entries.map(({ value }) => value));
    if (target.kind === 'other') return flatTargets(target.items as readonly Expr[]);
    return [target];
  });
}

/** Names that a pattern or an assignment's targets bind. */
export function boundNames(targets: readonly Expr[]): string[] {
  return flatTargets(targets).flatMap((target) => (target.kind === 'name' ? [target.name] : []));
}

/** Whether an assignment is to a name as it is, not taken apart. */
export function assignsTo({ targets }: Assign, name: string): boolean {
  return targets.some((target) => target.kind === 'name' && target.name === name);
}
