import { bindingsOf } from '../bindings.ts';
import { at, place, replaceLine } from '../claims.ts';
import { boundNames, calleeName, isConstant, mentions, pathOf, receiver, rootOf, some } from '../expressions.ts';
import { enclosing, guardsAt, isWithin } from '../flow.ts';
import type { Expr, Handler, Jump, Loop, Node, Return, Stmt } from '../ir.ts';
import type { FunctionInfo } from '../module.ts';
import type { SourceRule } from '../rule.ts';
import { isLogging } from '../vocabulary.ts';

export const earlyReturnInBatch: SourceRule = {
  id: 'early-return-in-batch',
  cwe: 705,
  severity: 'high',
  hint: /\bfor\b/,
  title: 'a batch abandoned at the first item that is not found',
  why: 'A loop over a batch returns or breaks if one item is not found. The items after it are skipped without a message, so the order of items decides which ones are processed.',
  remedy: 'Continue with the next item. Collect failures and report them after the loop.',
  checks: 'loops over lists that stop at an item that a look-up did not find',
  check(module, report) {
    for (const fn of module.functions) {
      const answers = fn.of('return').filter(({ value }) => value !== null && !isConstant(value, 'none'));
      // A loop that returns a value was searching for it. A returned list of results does not count.
      if (!answers.every(({ value }) => isCollected(fn, value))) continue;
      const exits = [...fn.of('return'), ...fn.of('jump').filter(({ form }) => form === 'break')];
      for (const exit of exits) {
        const loop = enclosing(exit, 'loop');
        if (loop?.form !== 'each' || !loop.target || !loop.iter || loop.otherwise || isRange(loop.iter)) continue;
        const lookup = failedLookup(fn, loop, exit);
        const skipped = lookup && effectAfter(fn, loop, exit);
        if (!lookup || !skipped) continue;
        const word = exit.kind === 'return' ? 'return' : 'break';
        const line = module.lines.textOf(exit.line);
        report({
          ...place(exit, fn),
          claim: `\`${word}\` inside the loop over \`${module.brief(loop.iter)}\` leaves the rest of the batch unprocessed if \`${module.brief(lookup.test)}\``,
          evidence: [
            at(module, loop, 'the loop over the batch'),
            at(module, lookup.test, 'the condition that one item fails'),
            at(module, exit, 'skips all items after it'),
            at(module, skipped, 'not done for the rest of the batch'),
            ...exits.filter((one) => one !== exit && enclosing(one, 'loop') === loop).map((one) => at(module, one, 'the same here')),
          ],
          solution: replaceLine(module, exit.line, {
            text: 'Continue with the next item, and log that this one was skipped.',
            by: line.replace(/\b(return|break)\b/, 'continue'),
          }),
          severity: 'high',
          confidence: 'certain',
        });
      }
    }
  },
};

/** Whether a returned value is a container that the function fills. */
function isCollected(fn: FunctionInfo, value: Expr | null): boolean {
  if (value?.kind !== 'name') return false;
  const made = bindingsOf(fn, value.name)[0]?.value;
  return (made?.kind === 'collection' && made.items.length === 0) || (made?.kind === 'dict' && made.entries.length === 0);
}

function isRange(iter: Expr): boolean {
  return iter.kind === 'call' && /^(range|count)$/.test(calleeName(iter) ?? '');
}

/** The condition for leaving the loop, if it is that a look-up for the item failed; null otherwise. */
function failedLookup(fn: FunctionInfo, loop: Loop, exit: Return | Jump): { test: Expr } | null {
  const items = new Set(boundNames([loop.target as Expr]));
  const found = new Set<string>();
  for (const { targets, value, start } of fn.of('assign')) {
    if (start < loop.start || start > exit.start || value?.kind === undefined) continue;
    if (some(value, (node) => node.kind === 'call' && [...items].some((item) => mentions(node, item)))) {
      for (const name of boundNames(targets)) found.add(name);
    }
  }
  const handler = enclosing(exit, 'handler');
  if (handler && isWithin(handler, loop)) return failedIn(handler, items);
  const branch = enclosing(exit, 'if');
  if (!branch || !isWithin(branch, loop) || enclosing(exit, 'loop') !== enclosing(branch, 'loop')) return null;
  const guard = guardsAt(exit).find(({ test }) => test === branch.test);
  if (guard?.holds && isMissingKey(fn, { test: branch.test, items, exit, loop }))
    return isTold(branch.consequent) ? null : { test: branch.test };
  const missing = guard?.holds ? absent(branch.test) : null;
  const name = missing ? rootOf(missing) : null;
  if (name === null || !found.has(name) || PROBLEMS.test(name) || isDescent(fn, loop, name) || isTold(branch.consequent)) return null;
  return { test: branch.test };
}

/** Whether the branch records or reports the failure. */
function isTold(statements: readonly Stmt[]): boolean {
  return statements.some((node) => isEffect(node));
}

/** Whether the loop replaces the container, so that each item is looked up in the result of the previous one. */
function isMovedOn(fn: FunctionInfo, loop: Loop, name: string): boolean {
  return bindingsOf(fn, name).some((node) => isWithin(node, loop));
}

const NOT_FOUND = /^(KeyError|IndexError|LookupError|\w*NotFound\w*|\w*DoesNotExist)$/;

/** `except KeyError: return` around a look-up of the item. */
function failedIn(handler: Handler, items: ReadonlySet<string>): { test: Expr } | null {
  const { type, body, parent } = handler;
  const isLookup = (node: Node) => (node.kind === 'call' || node.kind === 'index') && [...items].some((item) => mentions(node, item));
  if (!type || parent?.kind !== 'try' || !NOT_FOUND.test(pathOf(type)?.split('.').at(-1) ?? '') || isTold(body)) return null;
  return parent.body.some((node) => some(node, isLookup)) ? { test: type } : null;
}

/** `item.id not in self.x` or `!this.x.has(item.id)`, if the loop then reads that key. */
function isMissingKey(
  fn: FunctionInfo,
  { test, items, exit, loop }: { test: Expr; items: ReadonlySet<string>; exit: Node; loop: Loop },
): boolean {
  const speaksOfItem = (node: Expr | undefined) => node !== undefined && [...items].some((item) => mentions(node, item));
  let container: Expr | null = null;
  if (test.kind === 'compare' && test.op === 'not in' && speaksOfItem(test.left)) container = test.right;
  if (test.kind === 'not' && test.operand.kind === 'call' && calleeName(test.operand) === 'has' && speaksOfItem(test.operand.args[0]))
    container = receiver(test.operand);
  const path = pathOf(container);
  if (path === null || isMovedOn(fn, loop, rootOf(container) ?? '')) return false;
  const taken = [...fn.of('index'), ...fn.of('call').filter((call) => calleeName(call) === 'get')];
  return taken.some(
    (node) =>
      node.start > exit.end &&
      isWithin(node, loop) &&
      pathOf(node.kind === 'index' ? node.object : receiver(node)) === path &&
      speaksOfItem(node),
  );
}

/** Names of errors: their absence is a success, which the loop was searching for. */
const PROBLEMS = /err(or)?s?$|problems?$|failures?$|violations?$|conflicts?$/i;

/**
 * Whether the loop descends a path, each look-up in the result of the previous one. Without that result, there is no rest to
 * process.
 */
function isDescent(fn: FunctionInfo, loop: Loop, name: string): boolean {
  const inside = fn.of('assign').filter((node) => isWithin(node, loop));
  const lookup = inside.find(({ targets }) => boundNames(targets).includes(name));
  return inside.some(
    ({ targets, value, start }) =>
      value &&
      lookup?.value &&
      start > lookup.start &&
      mentions(value, name) &&
      boundNames(targets).some((one) => mentions(lookup.value as Expr, one)),
  );
}

/** The expression that a test takes to be missing: `not x`, `x is None`, `x === undefined`. */
function absent(test: Expr): Expr | null {
  if (test.kind === 'not') return test.operand;
  if (test.kind !== 'compare' || !/^(is|==|===)$/.test(test.op)) return null;
  return isConstant(test.right, 'none') ? test.left : null;
}

/** The last effect on items that the loop does not leave at, after the exit; null: there is none. */
function effectAfter(fn: FunctionInfo, loop: Loop, exit: Node): Node | null {
  const isWanted = (node: Node) => node.start > exit.end && isWithin(node, loop) && isEffect(node);
  const last = [fn.of('expression').findLast(isWanted), fn.of('assign').findLast(isWanted), fn.of('delete').findLast(isWanted)];
  return last.filter((node) => node !== undefined).sort((a, b) => b.start - a.start)[0] ?? null;
}

function isEffect(node: Node): boolean {
  if (node.kind === 'delete') return true;
  if (node.kind === 'expression') return some(node.expr, (one) => one.kind === 'call' && !isLogging(one));
  return node.kind === 'assign' && node.targets.some(({ kind }) => kind === 'index' || kind === 'attribute');
}
