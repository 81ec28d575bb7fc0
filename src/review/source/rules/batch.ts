import { advice, at, place, replaceLine } from '../claims.ts';
import { boundNames, calleeName, mentions, pathOf, rootOf, some } from '../expressions.ts';
import { enclosing, functionOf, guardsAt, isWithin } from '../flow.ts';
import type { Call, Expr, If, Jump, Loop, Node, Return } from '../ir.ts';
import type { FunctionInfo } from '../module.ts';
import { receivedBy } from '../received.ts';
import type { SourceRule } from '../rule.ts';
import { isLogging } from '../vocabulary.ts';

export const earlyReturnInBatch: SourceRule = {
  id: 'early-return-in-batch',
  cwe: 705,
  severity: 'high',
  hint: /\bfor\b[\s\S]*\b(return|break)\b/,
  title: 'a batch that is left at the first item that cannot be served',
  why: 'A loop over a batch returns (or breaks) when one item is not found or not wanted. The items after it are dropped, and nobody is told: which ones are served depends on their order.',
  remedy: 'Go on with the next item; collect what failed and report it after the loop.',
  checks: 'loops over lists that stop at an item which a look-up did not find',
  check(module, report) {
    for (const fn of module.functions) {
      if (fn.of('return').some(({ value }) => value !== null && !(value.kind === 'constant' && value.value === 'none'))) continue;
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
  const branch = enclosing(exit, 'if');
  if (!branch || !isWithin(branch, loop) || enclosing(exit, 'loop') !== enclosing(branch, 'loop')) return null;
  const guard = guardsAt(exit).find(({ test }) => test === branch.test);
  const missing = guard?.holds ? absent(branch.test) : null;
  const name = missing ? rootOf(missing) : null;
  if (name === null || !found.has(name) || PROBLEMS.test(name) || isDescent(fn, loop, name) || isTold(branch)) return null;
  return { test: branch.test };
}

/** The branch keeps or hands on that something is wrong: whoever asked for the batch hears of it. */
function isTold({ consequent }: If): boolean {
  return consequent.some((node) => isEffect(node));
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
  return test.right.kind === 'constant' && test.right.value === 'none' ? test.left : null;
}

/** What the loop does for items that it does not leave at: calls for their effect, after the exit. */
function effectAfter(fn: FunctionInfo, loop: Loop, exit: Node): Node | null {
  const effects = [...fn.of('expression'), ...fn.of('assign'), ...fn.of('delete')].filter(
    (node) => node.start > exit.end && isWithin(node, loop) && isEffect(node),
  );
  return effects.sort((a, b) => a.start - b.start).at(-1) ?? null;
}

function isEffect(node: Node): boolean {
  if (node.kind === 'delete') return true;
  if (node.kind === 'expression') return some(node.expr, (one) => one.kind === 'call' && !isLogging(one));
  return node.kind === 'assign' && node.targets.some(({ kind }) => kind === 'index' || kind === 'attribute');
}

export const unboundedReceivedList: SourceRule = {
  id: 'unbounded-received-list',
  cwe: 770,
  severity: 'medium',
  hint: /\bfor\b/,
  title: 'a received list that is worked through whatever its length',
  why: 'A message handler loops over a list that its sender chose, doing work for each item, and nothing on the way looks at how long the list is. One message can keep the process, and the lock that it holds, for as long as its sender likes.',
  remedy: 'Refuse or cut lists beyond a number that is more than enough, count that, and pull the full state instead.',
  checks: 'loops of message handlers over what they were sent',
  check(module, report) {
    for (const fn of module.functions) {
      const source = receivedBy(module, fn);
      if (!source) continue;
      for (const loop of fn.of('loop')) {
        const name = loop.form === 'each' ? rootOf(loop.iter) : null;
        if (name === null || !source.names.includes(name) || functionOf(loop) !== fn.node) continue;
        const work = workIn(fn, loop);
        if (!work || isBounded(fn, loop)) continue;
        report({
          line: loop.line,
          endLine: loop.line,
          symbol: fn.symbol,
          claim: `\`${fn.name ?? 'the handler'}\` works through \`${module.brief(loop.iter as Expr)}\` as it was received, whatever its length`,
          evidence: [
            at(module, source.at, source.how),
            at(module, loop, 'the loop over what was sent; nothing before it looks at its length'),
            at(module, work, 'done for each item'),
          ],
          solution: advice(
            `Look at the length of \`${module.brief(loop.iter as Expr)}\` before the loop: past a bound, log it, count it, and ask for the full state instead.`,
          ),
          severity: 'medium',
          confidence: 'certain',
        });
      }
    }
  },
};

function workIn(fn: FunctionInfo, loop: Loop): Call | null {
  const calls = fn.deep('call').filter((call) => isWithin(call, loop) && !isWithin(call, loop.iter as Node) && !isLogging(call));
  return calls.at(-1) ?? null;
}

/** Whether anything in the function looks at the list's length, cuts it, or hands it to something that checks. */
function isBounded(fn: FunctionInfo, loop: Loop): boolean {
  const path = pathOf(loop.iter) ?? rootOf(loop.iter) ?? '';
  const root = rootOf(loop.iter) ?? '';
  const speaksOf = (node: Node) => mentions(node, path) || mentions(node, root);
  if (fn.deep('slice').some((slice) => speaksOf(slice))) return true;
  if (fn.deep('attribute').some(({ name, object }) => /^(length|size)$/.test(name) && speaksOf(object))) return true;
  return fn.deep('call').some((call) => {
    if (isWithin(loop, call) || (call.start > loop.start && !isWithin(call, loop.iter as Node))) return false;
    const name = calleeName(call) ?? '';
    const checks = /^(len|islice)$/.test(name) || /limit|bound|valid|check|assert|slice|parse|schema|max/i.test(name);
    return checks && [...call.args, ...(call.callee.kind === 'attribute' ? [call.callee.object] : [])].some(speaksOf);
  });
}
