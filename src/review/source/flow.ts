import { mentions } from './expressions.ts';
import type { Expr, Func, Kind, Node, NodeOf, Stmt, Try } from './ir.ts';

/** A condition whose value is known where a node is reached. */
export interface Guard {
  readonly test: Expr;
  /** Whether it was true. */
  readonly holds: boolean;
}

/**
 * The conditions that are known where a node is reached, within its function: from enclosing branches, and from early exits and
 * assertions before it. @throws OutOfSteps
 */
export function guardsAt(node: Node): Guard[] {
  const found: Guard[] = [];
  for (let at: Node = node, up = node.parent; up && at.kind !== 'function'; at = up, up = up.parent) {
    node.budget.spend(4);
    if (up.kind === 'if') addBranch(found, up.test, at, up.consequent);
    else if (up.kind === 'ternary' && at !== up.test) found.push({ test: up.test, holds: at === up.consequent });
    else if (up.kind === 'logic' && at === up.right) found.push({ test: up.left, holds: up.op === 'and' });
    else if (up.kind === 'loop' && up.test && at !== up.test && isIn(up.body, at)) found.push({ test: up.test, holds: true });
    else if (up.kind === 'comprehension') for (const { conditions } of up.clauses) addConditions(found, conditions, at);
    for (const before of siblingsBefore(at, up)) {
      if (before.kind === 'if' && exits(before.consequent) && !before.otherwise) found.push({ test: before.test, holds: false });
      else if (before.kind === 'if' && before.otherwise && exits(before.otherwise)) found.push({ test: before.test, holds: true });
      else if (before.kind === 'assert') found.push({ test: before.test, holds: true });
    }
  }
  return found;
}

/** The guard of an `if` around a node, unless the node is its test. */
function addBranch(found: Guard[], test: Expr, at: Node, consequent: readonly Stmt[]): void {
  if (at !== test) found.push({ test, holds: isIn(consequent, at) });
}

function addConditions(found: Guard[], conditions: readonly Expr[], at: Node): void {
  if (conditions.includes(at as Expr)) return;
  for (const test of conditions) found.push({ test, holds: true });
}

/** The statements before a node in its block; none if it stands in no block. */
export function siblingsBefore(node: Node, parent = node.parent): readonly Stmt[] {
  const block = parent ? blockWith(parent, node) : null;
  if (block) node.budget.spend(block.length);
  return block ? block.slice(0, block.indexOf(node as Stmt)) : [];
}

/** The statements after a node in its block; none if it stands in no block. */
export function siblingsAfter(node: Node): readonly Stmt[] {
  const block = node.parent ? blockWith(node.parent, node) : null;
  if (block) node.budget.spend(block.length);
  return block ? block.slice(block.indexOf(node as Stmt) + 1) : [];
}

function blockWith(parent: Node, node: Node): readonly Stmt[] | null {
  return blocks(parent).find((block) => isIn(block, node)) ?? null;
}

/** Whether a node is a statement of a block. Searching a block is cheaper than other steps, and charged less. */
function isIn(block: readonly Stmt[], node: Node): boolean {
  node.budget.spend(1 + (block.length >> 3));
  return block.includes(node as Stmt);
}

/** The blocks of statements in a node. */
export function blocks(node: Node): readonly (readonly Stmt[])[] {
  switch (node.kind) {
    case 'function':
    case 'class':
    case 'with':
    case 'handler':
      return [node.body];
    case 'if':
      return node.otherwise ? [node.consequent, node.otherwise] : [node.consequent];
    case 'loop':
      return node.otherwise ? [node.body, node.otherwise] : [node.body];
    case 'try':
      return [node.body, node.otherwise ?? [], node.finalizer ?? []];
    case 'switch':
      return node.cases.map(({ body }) => body);
    case 'plain':
      return node.form === 'block' ? [node.items as readonly Stmt[]] : [];
    default:
      return [];
  }
}

/** Whether control never reaches the end of the statements: the last one returns, throws, jumps or ends the process. */
export function exits(statements: readonly Stmt[]): boolean {
  const last = statements.at(-1);
  if (!last) return false;
  if (last.kind === 'return' || last.kind === 'raise' || last.kind === 'jump') return true;
  if (last.kind === 'if') return last.otherwise !== null && exits(last.consequent) && exits(last.otherwise);
  if (last.kind === 'plain' && last.form === 'block') return exits(last.items as readonly Stmt[]);
  if (last.kind === 'with') return exits(last.body);
  if (last.kind === 'expression' && last.expr.kind === 'call') {
    const { callee } = last.expr;
    return (
      callee.kind === 'attribute' &&
      callee.name === 'exit' &&
      callee.object.kind === 'name' &&
      /^(sys|os|process)$/.test(callee.object.name)
    );
  }
  return false;
}

/** The nearest node of a kind around another, within its function; null: there is none. */
export function enclosing<K extends Kind>(node: Node, kind: K): NodeOf<K> | null {
  for (let at = node.parent; at && at.kind !== 'function'; at = at.parent) {
    node.budget.spend();
    if (at.kind === kind) return at as NodeOf<K>;
  }
  return null;
}

/** Whether a node is another one, or lies inside it. */
export function isWithin(node: Node, outer: Node): boolean {
  for (let at: Node | null = node; at; at = at.parent) {
    node.budget.spend();
    if (at === outer) return true;
  }
  return false;
}

/** The `try` in the same function whose handlers see what a node throws; null: the caller sees it. */
export function guardingTry(node: Node): Try | null {
  for (let at: Node = node, up = node.parent; up && at.kind !== 'function'; at = up, up = up.parent) {
    node.budget.spend();
    if (up.kind === 'try' && up.handlers.length > 0 && isIn(up.body, at)) return up;
  }
  return null;
}

/** The `finally` block in the same function that runs after a node, whatever the node throws; null: there is none. */
export function finalizerAround(node: Node): readonly Stmt[] | null {
  for (let at: Node = node, up = node.parent; up && at.kind !== 'function'; at = up, up = up.parent) {
    node.budget.spend();
    if (up.kind === 'try' && up.finalizer && !isIn(up.finalizer, at)) return up.finalizer;
  }
  return null;
}

/** Whether a condition known at a node mentions a path. The rules then assume that the author considered the case. */
export function isGuarded(node: Node, path: string): boolean {
  return guardsAt(node).some(({ test }) => mentions(test, path));
}

/** The innermost function around a node; null for the module itself. */
export function functionOf(node: Node): Func | null {
  for (let at = node.parent; at; at = at.parent) {
    node.budget.spend();
    if (at.kind === 'function') return at;
  }
  return null;
}
