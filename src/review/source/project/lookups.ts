import { bindingsOf } from '../bindings.ts';
import { calleeName, isConstant, pathOf, receiver, selfAttribute, some } from '../expressions.ts';
import { guardsAt } from '../flow.ts';
import type { Call, Expr } from '../ir.ts';
import { calledFunction, type FunctionInfo, isMapping, type SourceModule } from '../module.ts';

/**
 * Why an expression may be nothing, if the language or a well-known library says so, as the end of "which …"; null: nothing says
 * so. @throws OutOfSteps
 */
export function lookupOf(module: SourceModule, fn: FunctionInfo, node: Expr): string | null {
  if (node.kind !== 'call') return null;
  if (module.language !== 'python') return lookupOfNode(module, fn, node);
  const brief = () => module.brief(node.callee, 60);
  if (isMappingGet(module, fn, node)) return `\`${brief()}()\` returns for a missing key`;
  if (isRegexMatch(module, fn, node)) return `\`${brief()}()\` returns if nothing matches`;
  const name = calleeName(node) ?? '';
  const path = pathOf(node.callee) ?? '';
  if (/^(next|getattr)$/.test(path) && node.args.at(-1) && isConstant(node.args.at(-1), 'none') && node.args.length > 1) {
    return `\`${path}()\` returns if there is none`;
  }
  if (path === 'shutil.which' || (path === 'os.environ.get' && node.args.length === 1)) return `\`${path}()\` returns if there is none`;
  if (/^(one_or_none|scalar_one_or_none)$/.test(name) && node.args.length === 0) return `\`${name}()\` returns if no row matches`;
  if (name === 'first' && node.args.length === 0 && isQuery(receiver(node))) return '`first()` returns if no row matches';
  return null;
}

/** Whether a chain of calls selects rows: `session.query(X).filter_by(…)`. */
function isQuery(node: Expr | null): boolean {
  return node !== null && some(node, (one) => one.kind === 'call' && /^(query|filter|filter_by|order_by)$/.test(calleeName(one) ?? ''));
}

/** `find()!` and `find() as X` of TypeScript: the author says that it is there. */
export function isAsserted(module: SourceModule, { end }: Expr): boolean {
  return module.language !== 'python' && /^(!(?!=)|\s+as\b)/.test(module.lines.text.slice(end, end + 8));
}

/** Look-ups of TypeScript. `!` after the look-up says that its author knows better. */
function lookupOfNode(module: SourceModule, fn: FunctionInfo, node: Call): string | null {
  if (isAsserted(module, node)) return null;
  const name = calleeName(node) ?? '';
  const [first] = node.args;
  if (name === 'find' && first?.kind === 'function' && receiver(node)) return '`find()` returns if nothing fits';
  if (/^(match|exec)$/.test(name) && node.args.length === 1 && first && isPattern(module, first, receiver(node))) {
    return `\`${name}()\` returns if nothing matches`;
  }
  const isGet = name === 'get' && node.args.length === 1 && isKnownMapping(module, fn, receiver(node));
  return isGet && !isMemberHere(module, node) ? '`get()` returns for a missing key' : null;
}

function isPattern(module: SourceModule, argument: Expr, on: Expr | null): boolean {
  return [argument, on].some((one) => one?.kind === 'other' && one.form === 'regex') && !/^\s*$/.test(module.text(argument));
}

/** `map.get(key)` under `map.has(key)`. */
function isMemberHere(module: SourceModule, call: Call): boolean {
  const on = receiver(call);
  const [key] = call.args;
  if (!on || !key) return false;
  const asked = `${module.text(on)}.has(${module.text(key)})`;
  return guardsAt(call).some(({ test }) => module.text(test).includes(asked));
}

/** `mapping.get(key)` without a default, on a value known to be a mapping. */
export function isMappingGet(module: SourceModule, fn: FunctionInfo, call: Call): boolean {
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
  return called !== null && called !== fn && returns.length === 1 && isOwnMapping(called, returns[0]?.value ?? null);
}

function isOwnMapping(fn: FunctionInfo, node: Expr | null): boolean {
  const attribute = selfAttribute(node);
  return attribute !== null ? (fn.cls?.isMapping(attribute) ?? false) : isMapping(node);
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
  if (on?.kind !== 'name') {
    const name = call.callee.kind === 'name' ? module.imports.get(call.callee.name) : undefined;
    return name?.module === 're' && !matchesAnything(module, textOf(module, fn, call.args[0])) && !isMatchedBefore(module, call);
  }
  const from = module.imports.get(on.name);
  if (from?.module === 're' && from.imported === null)
    return !matchesAnything(module, textOf(module, fn, call.args[0])) && !isMatchedBefore(module, call);
  const own = bindingsOf(fn, on.name);
  const constant = own.length === 1 ? own[0]?.value : module.constant(on.name);
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
