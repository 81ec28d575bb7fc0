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
  title: 'a batch that is left at the first item that cannot be served',
  why: 'A loop over a batch returns (or breaks) when one item is not found or not wanted. The items after it are dropped, and nobody is told: which ones are served depends on their order.',
  remedy: 'Go on with the next item; collect what failed and report it after the loop.',
  checks: 'loops over lists that stop at an item which a look-up did not find',
  check(module, report) {
    for (const fn of module.functions) {
      const answers = fn.of('return').filter(({ value }) => value !== null && !isConstant(value, 'none'));
      // What a loop answers with a value it was looking for; a list of what was done is none.
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
          claim: `\`${word}\` inside the loop over \`${module.brief(loop.iter)}\` leaves the rest of the batch unprocessed when \`${module.brief(lookup.test)}\``,
          evidence: [
            at(module, loop, 'the loop over the batch'),
            at(module, lookup.test, 'one item that does not pass this'),
            at(module, exit, 'ends the function for all that follow it'),
            at(module, skipped, 'what the rest of the batch then misses'),
            ...exits.filter((one) => one !== exit && enclosing(one, 'loop') === loop).map((one) => at(module, one, 'here too')),
          ],
          solution: replaceLine(module, exit.line, {
            text: 'Go on with the next item, and say that this one was passed over.',
            by: line.replace(/\b(return|break)\b/, 'continue'),
          }),
          severity: 'high',
          confidence: 'certain',
        });
      }
    }
  },
};

function isCollected(fn: FunctionInfo, value: Expr | null): boolean {
  if (value?.kind !== 'name') return false;
  const made = bindingsOf(fn, value.name)[0]?.value;
  return (made?.kind === 'collection' && made.items.length === 0) || (made?.kind === 'dict' && made.entries.length === 0);
}

function isRange(iter: Expr): boolean {
  return iter.kind === 'call' && /^(range|count)$/.test(calleeName(iter) ?? '');
}

/** The condition under which the loop is left, if it is that something looked up for the item is not there. */
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

/** The branch keeps or hands on that something is wrong: whoever asked for the batch hears of it. */
function isTold(statements: readonly Stmt[]): boolean {
  return statements.some((node) => isEffect(node));
}

/** A container that becomes another in the loop: each item is looked up in what the one before led to. */
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

/** `item.id not in self.x`, `!this.x.has(item.id)`, where the loop then takes it from there. */
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

/** No problems is a success: the loop was looking for that one. */
const PROBLEMS = /err(or)?s?$|problems?$|failures?$|violations?$|conflicts?$/i;

/** A loop that goes down a path, each look-up in what the one before found: there is no rest without it. */
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

/** What a test says is not there: `not x`, `x is None`, `x === undefined`. */
function absent(test: Expr): Expr | null {
  if (test.kind === 'not') return test.operand;
  if (test.kind !== 'compare' || !/^(is|==|===)$/.test(test.op)) return null;
  return isConstant(test.right, 'none') ? test.left : null;
}

/** What the loop does for items that it does not leave at: calls for their effect, after the exit. */
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
