import type { Evidence } from '../../finding.ts';
import { bindingsOf } from '../bindings.ts';
import { advice, at, place } from '../claims.ts';
import { boundNames, calleeName, isConstant, isSelf, pathOf, receiver, selfAttribute, some } from '../expressions.ts';
import { guardingTry, guardsAt, isGuarded, isWithin } from '../flow.ts';
import type { Assign, Call, Expr, Node } from '../ir.ts';
import { calledFunction, type FunctionInfo, isMapping, ownMethod, type SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';

export const noneDereference: SourceRule = {
  id: 'none-dereference',
  cwe: 476,
  severity: 'medium',
  title: 'the result of a look-up used without a check for None',
  why: "A look-up returns None for a missing item, and the caller uses the result without a check. A missing item then raises an AttributeError in the middle of the caller's work, instead of being handled as 'not found'.",
  remedy: 'Check for None, raise a typed error in the look-up, or skip missing items.',
  checks: 'uses of results of look-ups in mappings and of functions that may return None',
  check(module, report) {
    if (module.language !== 'python') return;
    for (const fn of module.functions) {
      for (const assign of fn.of('assign')) {
        const name = assign.targets.length === 1 && assign.targets[0]?.kind === 'name' ? assign.targets[0].name : null;
        const nothing = name === null || !assign.value ? null : maybeNone(module, fn, assign.value);
        const use = nothing && name !== null ? unguardedUse(fn, name, assign) : null;
        if (nothing && use && name !== null) report(claimOf(module, fn, { name, use, origin: assign, nothing }));
      }
      for (const node of fn.of('attribute')) {
        const nothing = node.object.kind === 'call' ? maybeNone(module, fn, node.object) : null;
        if (nothing && !guardingTry(node) && !isGuardedCall(module, node.object)) {
          report(claimOf(module, fn, { name: module.brief(node.object, 60), use: node, origin: node.object, nothing }));
        }
      }
      for (const found of listsOfMaybe(module, fn)) report(found);
    }
  },
};

/** Why a value may be None. */
interface Nothing {
  readonly why: string;
  readonly evidence: readonly Evidence[];
}

function claimOf(module: SourceModule, fn: FunctionInfo, found: { name: string; use: Node; origin: Node; nothing: Nothing }) {
  const { name, use, origin, nothing } = found;
  return {
    ...place(use, fn),
    claim: `\`${name}\` is used without a check for None, which ${nothing.why}`,
    evidence: [at(module, origin, 'its origin'), ...nothing.evidence, at(module, use, 'its use, with no check for None before')],
    solution: advice(`Handle None before line ${use.line}: skip it, or raise an error that names the missing item.`),
    severity: 'medium' as const,
    confidence: 'likely' as const,
  };
}

/** Why an expression may be None; null where nothing says so. */
function maybeNone(module: SourceModule, fn: FunctionInfo, value: Expr): Nothing | null {
  if (value.kind !== 'call') return null;
  if (isMappingGet(module, fn, value)) return { why: `\`${module.brief(value.callee, 60)}()\` returns for a missing key`, evidence: [] };
  if (isRegexMatch(module, fn, value)) return { why: `\`${module.brief(value.callee)}()\` returns if nothing matches`, evidence: [] };
  const called = calledFunction(module, value, fn.cls);
  const empty = called && !isKnownMember(module, value) ? returnsNone(module, called) : null;
  return called && empty
    ? { why: `\`${called.name}\` returns in some cases`, evidence: [at(module, empty, `\`${called.name}\` returns None here`)] }
    : null;
}

/** `mapping.get(key)` without a default, on a value known to be a mapping. */
function isMappingGet(module: SourceModule, fn: FunctionInfo, call: Call): boolean {
  if (calleeName(call) !== 'get' || call.args.length !== 1 || call.keywords.length > 0) return false;
  return isKnownMapping(module, fn, receiver(call));
}

function isKnownMapping(module: SourceModule, fn: FunctionInfo, node: Expr | null): boolean {
  if (!node) return false;
  const attribute = selfAttribute(node);
  if (attribute !== null) return fn.cls?.isMapping(attribute) ?? false;
  if (node.kind === 'name') {
    const own = bindingsOf(fn, node.name);
    return own.length > 0
      ? own.every(({ value }) => isMapping(value))
      : !fn.params.includes(node.name) && isMapping(module.constant(node.name));
  }
  if (node.kind !== 'call' || node.args.length > 0) return false;
  const called = calledFunction(module, node, fn.cls);
  const returns = called?.of('return') ?? [];
  return called !== null && returns.length === 1 && isKnownMapping(module, called, returns[0]?.value ?? null);
}

/** The string that a name stands for, if it is assigned once; otherwise the expression itself. */
function textOf(module: SourceModule, fn: FunctionInfo, node: Expr | undefined): Expr | undefined {
  if (node?.kind !== 'name') return node;
  const own = bindingsOf(fn, node.name);
  return own.length === 1 && own[0]?.value ? own[0].value : (module.constant(node.name) ?? node);
}

/** Whether a condition before the call matched the same text. */
function isMatchedBefore(module: SourceModule, call: Call): boolean {
  const subject = call.args.at(-1);
  if (!subject) return false;
  return guardsAt(call).some(
    ({ test, holds }) =>
      holds &&
      some(
        test,
        (node) =>
          node.kind === 'call' &&
          /^(match|search|fullmatch)$/.test(calleeName(node) ?? '') &&
          node.args.some((argument) => module.text(argument) === module.text(subject)),
      ),
  );
}

function isRegexMatch(module: SourceModule, fn: FunctionInfo, call: Call): boolean {
  if (!/^(match|search|fullmatch)$/.test(calleeName(call) ?? '')) return false;
  const on = receiver(call);
  if (on?.kind !== 'name') return false;
  if (module.imports.get(on.name)?.module === 're')
    return !matchesAnything(module, textOf(module, fn, call.args[0])) && !isMatchedBefore(module, call);
  const constant = module.constant(on.name);
  return (
    constant?.kind === 'call' &&
    pathOf(constant.callee) === 're.compile' &&
    !matchesAnything(module, constant.args[0]) &&
    !isMatchedBefore(module, call)
  );
}

/** Whether a pattern matches every text, or cannot be evaluated here. */
function matchesAnything(module: SourceModule, pattern: Expr | undefined): boolean {
  if (pattern?.kind !== 'text') return false;
  const { value } = pattern;
  return module.memo(`matches anything ${value}`, () => {
    module.spend(COMPILING + value.length);
    try {
      const regex = new RegExp(`^(?:${value.replace(/\(\?P</g, '(?<')})`);
      const repeated = repetitions(value);
      if (repeated * count(value, '|') > MAX_CHOICES) return true;
      if (!regex.test('')) return false;
      return repeated * (count(value, '|') + count(value, '*') + count(value, '+') + count(value, '?')) > MAX_CHOICES
        ? true
        : ANYTHING.every((text) => regex.test(text));
    } catch {
      return true;
    }
  });
}

/** Texts with little in common. A pattern that matches the beginning of all of them, and the empty text, matches anything. */
const ANYTHING = ['x', '0', ' ', '#;=', '-a b:c/d', '(\t[1])'];
/** In the worst case, the time to evaluate a pattern doubles with each choice. A pattern with more choices is not evaluated. */
const MAX_CHOICES = 12;
/** Steps charged for evaluating a pattern, beside its length. */
const COMPILING = 500;

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}

/** The product of the numbers in repetitions of groups: 6 for `(…){3}` inside `(…){2}`. */
function repetitions(pattern: string): number {
  return [...pattern.matchAll(/\)\{(\d*)(?:,(\d*))?/g)].reduce(
    (product, [, from, to]) => product * Math.max(1, Number(from), Number(to ?? 0)),
    1,
  );
}

/** `find(things, key)` under the condition `key in things`. */
function isKnownMember(module: SourceModule, call: Call): boolean {
  const given = new Set(call.args.map((argument) => module.text(argument)));
  return guardsAt(call).some(
    ({ test, holds }) =>
      holds && test.kind === 'compare' && test.op === 'in' && given.has(module.text(test.left)) && given.has(module.text(test.right)),
  );
}

/** A `return` of None in a function that also returns values. */
function returnsNone(module: SourceModule, fn: FunctionInfo): Node | null {
  if (fn.of('other').some(({ form }) => form === 'yield')) return null;
  const returns = fn.of('return');
  const isNone = (value: Expr | null) => value === null || isConstant(value, 'none');
  const empty = returns.find((one) => isNone(one.value) && !isCallersChoice(fn, one));
  if (empty && returns.some(({ value }) => !isNone(value))) return empty;
  return returns.find(({ value }) => value?.kind === 'call' && isMappingGet(module, fn, value)) ?? null;
}

/** Whether the arguments alone decide on a `return`: then the caller knows the result. */
function isCallersChoice(fn: FunctionInfo, node: Node): boolean {
  const guards = guardsAt(node);
  return guards.length > 0 && guards.every(({ test }) => !some(test, (one) => one.kind === 'name' && !fn.params.includes(one.name)));
}

/** The first use of a name that fails on None, without a check or assignment in between; null: there is none. */
function unguardedUse(fn: FunctionInfo, name: string, origin: Assign): Node | null {
  const again = bindingsOf(fn, name).find((one) => one.start > origin.start)?.start ?? Number.POSITIVE_INFINITY;
  const uses = [...fn.of('attribute'), ...fn.of('index')].filter((node) => pathOf(node.object) === name && !node.optional);
  const first = uses.filter((node) => node.start > origin.end && node.start < again).sort((a, b) => a.start - b.start)[0];
  if (!first || isGuarded(first, name) || guardingTry(first) || asksBefore(fn, name, { from: origin.end, to: first.start })) return null;
  return isReachedFrom(origin, first) ? first : null;
}

/** Whether a condition mentions the name before its use. The rule then assumes that the author considered None. */
function asksBefore(fn: FunctionInfo, name: string, range: { from: number; to: number }): boolean {
  return fn.of('name').some((node) => {
    if (node.name !== name || node.start < range.from || node.start > range.to) return false;
    for (let at: Node = node, up = node.parent; up && at.kind !== 'function'; at = up, up = up.parent) {
      if ((up.kind === 'if' || up.kind === 'ternary' || up.kind === 'assert') && up.test === at) return true;
      if (up.kind === 'loop' && up.test === at) return true;
      if (up.kind === 'call' && up.args.includes(at as Expr) && up.parent?.kind === 'expression') return true;
      if (up.kind === 'not' || up.kind === 'logic' || up.kind === 'compare') return true;
    }
    return false;
  });
}

/** Whether the use can follow the origin: no branch contains the origin alone. */
function isReachedFrom(origin: Node, use: Node): boolean {
  for (let up = origin.parent; up; up = up.parent) {
    if (up.kind === 'function') return true;
    if ((up.kind === 'if' || up.kind === 'handler' || up.kind === 'try') && !isWithin(use, up)) return false;
  }
  return true;
}

/** `self.find(x).name` after a condition that calls `self.find(x)`. */
function isGuardedCall(module: SourceModule, call: Expr): boolean {
  const text = module.text(call);
  for (let at: Node = call, up = call.parent; up && at.kind !== 'function'; at = up, up = up.parent) {
    const test = up.kind === 'if' || up.kind === 'ternary' || up.kind === 'loop' ? up.test : up.kind === 'logic' ? up.left : null;
    if (test && test !== at && module.text(test).includes(text)) return true;
  }
  return false;
}

/** Lists of look-ups, passed to a method of this class that uses each item without a check. */
function listsOfMaybe(module: SourceModule, fn: FunctionInfo) {
  return fn.of('comprehension').flatMap((node) => {
    const [element] = node.elements;
    const nothing = node.form !== 'dict' && element ? maybeNone(module, fn, element) : null;
    const assign = node.parent;
    if (!nothing || !element || assign?.kind !== 'assign') return [];
    const asked = node.clauses.some(({ conditions }) => conditions.some((test) => module.text(test).includes(module.text(element))));
    const [name] = boundNames(assign.targets);
    const handed = !asked && name !== undefined ? usedByMethod(fn, name, assign) : null;
    if (!handed) return [];
    return [
      {
        ...place(node, fn),
        claim: `\`${name}\` can hold None, which ${nothing.why}, and \`${handed.method.name}\` uses each item without a check`,
        evidence: [
          at(module, element, 'looks each item up, with None for a missing one'),
          ...nothing.evidence,
          at(module, handed.call, `passed to \`${handed.method.name}\``),
          at(module, handed.use, 'used there without a check'),
        ],
        solution: advice('Look each item up once, leave out None, and log the missing ones.'),
        severity: 'medium' as const,
        confidence: 'likely' as const,
      },
    ];
  });
}

function usedByMethod(fn: FunctionInfo, name: string, assign: Assign): { call: Call; method: FunctionInfo; use: Node } | null {
  for (const call of fn.of('call')) {
    const method = call.start > assign.end ? ownMethod(call, fn.cls) : null;
    const parameter = method?.params[call.args.findIndex((argument) => argument.kind === 'name' && argument.name === name)];
    if (!method || parameter === undefined) continue;
    for (const loop of method.of('loop')) {
      const item = loop.iter && pathOf(loop.iter) === parameter && loop.target?.kind === 'name' ? loop.target.name : null;
      const use =
        item !== null
          ? method.of('attribute').find((node) => isWithin(node, loop) && pathOf(node.object) === item && !isSelf(node.object))
          : undefined;
      if (use && item !== null && !isGuarded(use, item)) return { call, method, use };
    }
  }
  return null;
}
