import { lastValue } from '../bindings.ts';
import { advice, at, place } from '../claims.ts';
import { assignsTo, calleeName, mentions, pathOf, receiver, rootOf, some } from '../expressions.ts';
import type { Call, Comprehension, Expr, Node } from '../ir.ts';
import type { FunctionInfo } from '../module.ts';
import type { SourceRule } from '../rule.ts';

export const pruneAcrossOwners: SourceRule = {
  id: 'prune-across-owners',
  cwe: 1023,
  severity: 'high',
  hint: /difference|\.filter\(| - |not in|\.(has|includes)\(/,
  title: 'items of all owners compared with those of one owner',
  why: 'A cache with the items of all owners is compared with the list of one owner. Items of the other owners seem to be gone, and are removed: after an update of one router, the others are no longer known.',
  remedy: 'Select the items of the queried owner from the cache, then compare.',
  checks: 'differences between cached and fetched items, and removals based on them',
  check(module, report) {
    for (const fn of module.functions) {
      for (const difference of differences(fn)) {
        const everything = difference.all.kind === 'name' ? lastValue(fn, difference.all.name, difference.node) : difference.all;
        const fetched = fetchedFor(fn, difference.some);
        if (!everything || !fetched || !isWholeState(everything)) continue;
        const all = module.brief(difference.all, 60);
        const removal = difference.removal ?? removalOf(fn, difference.node);
        if (!removal) continue;
        report({
          ...place(difference.node, fn),
          claim: `the items of all owners (\`${all}\`) are compared with those of one (\`${difference.some}\`), and the difference is removed`,
          evidence: [
            at(module, everything, `\`${all}\` holds the items of all owners`),
            at(module, fetched.call, `\`${difference.some}\` comes from a query for one owner (\`${module.brief(fetched.owner)}\`)`),
            at(module, difference.node, 'the difference, which contains the items of all other owners'),
            at(module, removal, 'removes it'),
          ],
          solution: advice(
            `Select only the items of \`${module.brief(fetched.owner)}\` from \`${module.brief(everything, 60)}\` before the difference.`,
          ),
          severity: 'high',
          confidence: 'certain',
        });
      }
    }
  },
};

interface Difference {
  /** The assignment that rebuilds the state without the difference. */
  readonly removal?: Node;
  readonly node: Node;
  readonly all: Expr;
  readonly some: string;
}

function differences(fn: FunctionInfo): Difference[] {
  const found: Difference[] = [];
  const add = (node: Node, all: Expr | null, part: Expr | null | undefined) => {
    const a = all && unwrapped(all);
    if (a && part?.kind === 'name') found.push({ node, all: a, some: part.name });
  };
  for (const call of fn.deep('call')) {
    if (calleeName(call) === 'difference') add(call, receiver(call), call.args[0]);
    const [keep] = call.args;
    if (calleeName(call) === 'filter' && keep?.kind === 'function')
      add(call, receiver(call), excludedBy(keep.body[0]?.kind === 'return' ? keep.body[0].value : null));
  }
  for (const node of fn.deep('binary')) if (node.op === '-') add(node, node.left, node.right);
  for (const node of fn.deep('comprehension')) {
    for (const { iter, conditions } of node.clauses) for (const test of conditions) add(node, iter, excludedBy(test));
    found.push(...keptOnly(node));
  }
  for (const loop of fn.deep('loop')) {
    if (loop.form !== 'each' || !loop.iter) continue;
    const test = loop.body[0]?.kind === 'if' ? excludedBy(loop.body[0].test) : null;
    if (test) add(loop, loop.iter, test);
  }
  return found;
}

/** `self.x = {k: v for k, v in self.x.items() if k in kept}`. */
function keptOnly(node: Comprehension): Difference[] {
  const [clause, ...more] = node.clauses;
  const assign = node.parent;
  if (!clause || more.length > 0 || assign?.kind !== 'assign') return [];
  const all =
    clause.iter.kind === 'call' && /^(items|keys|values)$/.test(calleeName(clause.iter) ?? '') ? receiver(clause.iter) : clause.iter;
  const path = pathOf(all);
  if (!all || path === null || pathOf(assign.targets[0]) !== path) return [];
  return clause.conditions.flatMap((test) =>
    test.kind === 'compare' && test.op === 'in' && test.right.kind === 'name'
      ? [{ node, all, some: test.right.name, removal: assign }]
      : [],
  );
}

/** `b` of `x not in b`, `!b.has(x)`, `!b.includes(x)`. */
function excludedBy(test: Expr | null): Expr | null {
  if (test?.kind === 'compare' && test.op === 'not in') return test.right;
  if (test?.kind === 'not' && test.operand.kind === 'call' && /^(has|includes)$/.test(calleeName(test.operand) ?? ''))
    return receiver(test.operand);
  return null;
}

/** `x` of `set(x)`, `[...x]` and `list(x)`. */
function unwrapped(node: Expr): Expr {
  if (node.kind === 'call' && node.args.length === 1 && /^(set|list|sorted|frozenset|Set)$/.test(calleeName(node) ?? ''))
    return unwrapped(node.args[0] as Expr);
  if (node.kind === 'collection' && node.items.length === 1 && node.items[0]?.kind === 'other')
    return unwrapped(node.items[0].items[0] as Expr);
  return node;
}

/** Whether an expression is state of the object in full, without a selection. */
function isWholeState(value: Expr): boolean {
  if (!mentions(value, 'self') && !mentions(value, 'this')) return false;
  return !some(value, (node) => {
    if (node.kind === 'index' || node.kind === 'slice' || node.kind === 'comprehension') return true;
    return node.kind === 'call' && node.args.length > 0 && !/^(set|list|sorted|frozenset|Set|from)$/.test(calleeName(node) ?? '');
  });
}

/** The query that fills a set, and the one owner that it is for; null: unknown. */
function fetchedFor(fn: FunctionInfo, name: string): { call: Call; owner: Expr } | null {
  const queries = fn.of('assign').flatMap(({ targets, value }) => {
    const call = value && queryIn(value);
    const owner = call ? ownerOf(call, fn.params) : null;
    const local = targets[0]?.kind === 'name' ? targets[0].name : null;
    return call && owner && local !== null ? [{ local, call, owner }] : [];
  });
  for (const query of queries) if (query.local === name || fedFrom(fn, name, query.local)) return query;
  return null;
}

function queryIn(value: Expr | null): Call | null {
  if (!value) return null;
  if (value.kind === 'call' && /^(map|filter)$/.test(calleeName(value) ?? '') && receiver(value)) return queryIn(receiver(value));
  if (value.kind === 'call' && /^(set|list|Set|map)$/.test(calleeName(value) ?? '')) return queryIn(value.args[0] ?? receiver(value));
  if (value.kind === 'call') return value;
  if (value.kind === 'other' && value.form.startsWith('await')) return queryIn(value.items[0] as Expr);
  if (value.kind === 'comprehension') return queryIn(value.clauses[0]?.iter ?? null);
  return null;
}

/** The argument that names one owner: an id of a parameter, or a value under a key for ids. */
function ownerOf(call: Call, params: readonly string[]): Expr | null {
  const isParameter = (node: Expr) => params.includes(rootOf(node) ?? '');
  const saysId = (text: string) =>
    /(^|_)(id|host|router|network|project|tenant|owner)$|(Id|Host|Router|Network|Project|Tenant|Owner)$/.test(text);
  const named = (node: Expr): boolean => {
    if (node.kind === 'index' && node.index.kind === 'text') return saysId(node.index.value);
    if (node.kind === 'attribute' || node.kind === 'name') return saysId(node.name);
    return false;
  };
  const search = (node: Expr, key: string | null): Expr | null => {
    if (isParameter(node) && (named(node) || (key !== null && saysId(key)))) return node;
    if (node.kind === 'dict')
      for (const entry of node.entries) {
        const found = search(entry.value, entry.key?.kind === 'text' ? entry.key.value : null);
        if (found) return found;
      }
    if (node.kind === 'collection')
      for (const item of node.items) {
        const found = search(item, key);
        if (found) return found;
      }
    return null;
  };
  for (const argument of call.args) {
    const found = search(argument, null);
    if (found) return found;
  }
  for (const { name, value } of call.keywords) {
    const found = search(value, name);
    if (found) return found;
  }
  return null;
}

/** Whether a set is filled from a list: in a loop over it, or by construction. */
function fedFrom(fn: FunctionInfo, name: string, source: string): boolean {
  const made = fn.of('assign').some((one) => one.value && assignsTo(one, name) && mentions(one.value, source));
  if (made) return true;
  return fn
    .of('loop')
    .some(
      (loop) =>
        loop.iter &&
        mentions(loop.iter, source) &&
        fn
          .of('call')
          .some(
            (call) =>
              /^(add|append|push)$/.test(calleeName(call) ?? '') &&
              pathOf(receiver(call)) === name &&
              call.start > loop.start &&
              call.end <= loop.end,
          ),
    );
}

const REMOVES = /delete|remove|prune|clean|clear|purge|evict|forget|drop|discard|unset/i;

/** Where a difference is removed: passed to a function whose name says so, or removed in a loop. */
function removalOf(fn: FunctionInfo, difference: Node): Node | null {
  let statement: Node | null = difference;
  while (statement && !['assign', 'expression', 'loop', 'function'].includes(statement.kind)) statement = statement.parent;
  const targets = statement?.kind === 'assign' ? statement.targets.flatMap((target) => (target.kind === 'name' ? [target.name] : [])) : [];
  const removes = (call: Call) => REMOVES.test(calleeName(call) ?? '') || calleeName(call) === 'pop';
  const calls = fn.deep('call').filter(removes);
  const removals = [...calls, ...fn.deep('delete')];
  const direct = statement?.kind === 'loop' || statement?.kind === 'expression' ? statement : null;
  if (direct) return removals.find((node) => node.start >= direct.start && node.end <= direct.end) ?? null;
  for (const name of targets) {
    const handed = calls.find((call) => call.start > difference.end && call.args.some((argument) => mentions(argument, name)));
    if (handed) return handed;
    const loop = fn.deep('loop').find((one) => one.iter && mentions(one.iter, name));
    const taken = loop && removals.find((node) => node.start > loop.start && node.end <= loop.end);
    if (taken) return taken;
  }
  return null;
}
