import { bindingsOf } from '../bindings.ts';
import { calleeName, isSelf, pathOf, selfAttribute, some } from '../expressions.ts';
import { guardsAt } from '../flow.ts';
import type { Call, Expr, Node } from '../ir.ts';
import type { ClassInfo, FunctionInfo, SourceModule } from '../module.ts';
import { lookupOf } from './lookups.ts';
import { type Flow, flowOf } from './nullness.ts';

/** What a call calls, as far as one file tells. */
export type Target =
  | { readonly on: 'self' | 'super' | 'name' | 'any'; readonly name: string }
  /** `local.name()`, where `local` is an import or a class of the file. */
  | { readonly on: 'local'; readonly local: string; readonly name: string }
  /** `self.attribute.name()`. */
  | { readonly on: 'attribute'; readonly attribute: string; readonly name: string }
  /** `x.name()`, where x is the result of another call. */
  | { readonly on: 'result'; readonly of: Target; readonly name: string };

/** A place that a fact stands at. */
export interface FactLine {
  readonly line: number;
}

/** What other files may want to know of a function. Plain data: it is kept while the trees of the file are not. */
export interface FunctionFacts {
  readonly name: string;
  readonly cls: string | null;
  readonly line: number;
  /** Without `self`. */
  readonly params: readonly string[];
  readonly isProperty: boolean;
  /** Where it returns nothing though it returns values elsewhere; `part`: the item of a tuple. */
  readonly nothing: readonly (FactLine & { readonly part: number | null })[];
  /** Calls whose results it returns. */
  readonly passesOn: readonly Target[];
  /** Parameters that it uses on every path without a test. */
  readonly uses: readonly (FactLine & { readonly param: string })[];
  /** Parameters that it hands on, on every path. */
  readonly hands: readonly { readonly param: string; readonly to: Target; readonly as: number | string }[];
  /** Results of calls, and whether the function tests them. */
  readonly results: readonly { readonly of: Target; readonly isTested: boolean }[];
}

/** A class as other files see it. */
export interface ClassFacts {
  readonly name: string;
  readonly bases: readonly string[];
  /** What its attributes are made by: `self.x = Class()`. */
  readonly attributes: ReadonlyMap<string, Target>;
}

/** What the project keeps of a file. */
export interface FileFacts {
  readonly path: string;
  readonly imports: SourceModule['imports'];
  readonly classes: readonly ClassFacts[];
  readonly functions: readonly FunctionFacts[];
}

/** The flow of nothing through a function, worked out once. @throws OutOfSteps */
export function nothingIn(module: SourceModule, fn: FunctionInfo): Flow {
  return module.memo(`flow of nothing ${fn.node.start} ${fn.node.end} ${fn.name}`, () =>
    flowOf(fn.node, (node) => lookupOf(module, fn, node)),
  );
}

/** The functions of which {@link factsOf} tells, in the same order. */
export function toldOf(module: SourceModule): readonly FunctionInfo[] {
  return module.functions.filter((fn) => fn !== module.top && fn.name !== null);
}

/** What a file tells the project. @throws OutOfSteps */
export function factsOf(module: SourceModule): FileFacts {
  const classes = [...module.classes.values()].filter(({ name }) => name !== null).map((cls) => classFacts(module, cls));
  const functions = toldOf(module).map((fn) => functionFacts(module, fn));
  return { path: module.path, imports: module.imports, classes, functions };
}

function classFacts(module: SourceModule, cls: ClassInfo): ClassFacts {
  const attributes = new Map<string, Target>();
  for (const [name, assigns] of cls.attributes) {
    const made = assigns.map(({ value }) => value).find((value) => value?.kind === 'call');
    const target = made?.kind === 'call' ? targetOf(module, null, made.callee) : null;
    if (target) attributes.set(name, target);
  }
  return { name: cls.name as string, bases: cls.node.bases.flatMap((base) => pathOf(base) ?? []), attributes };
}

function functionFacts(module: SourceModule, fn: FunctionInfo): FunctionFacts {
  const flow = nothingIn(module, fn);
  return {
    name: fn.name as string,
    cls: fn.cls?.name ?? null,
    line: fn.node.line,
    params: fn.params,
    isProperty: fn.node.decorators.some((one) => /(^|\.)(cached_)?property$/.test(pathOf(one) ?? '')),
    nothing: nothingReturned(fn, flow),
    passesOn: flow.returned.flatMap(({ value }) =>
      value?.origin.kind === 'result' ? present(targetOfResult(module, fn, value.origin.node)) : [],
    ),
    ...ofParameters(module, fn, flow),
    results: resultsOf(module, fn, flow),
  };
}

function present<T>(value: T | null): T[] {
  return value === null ? [] : [value];
}

/** Where a function returns nothing, unless that is all that it returns, or its caller decides it by the arguments. */
function nothingReturned(fn: FunctionInfo, { returned, fallsOff }: Flow): FunctionFacts['nothing'] {
  if (fn.of('other').some(({ form }) => form === 'yield') || fn.node.concise) return [];
  const isEmpty = (expr: Expr | null) => expr === null || (expr.kind === 'constant' && expr.value === 'none');
  const found: { line: number; part: number | null }[] = [];
  const isValued = returned.some(({ expr }) => !isEmpty(expr));
  if (!isValued) return [];
  for (const { node, expr, value } of returned) {
    if (expr?.kind === 'collection') {
      for (const [part, item] of expr.items.entries())
        if (isEmpty(item) && !isCallersChoice(fn, node)) found.push({ line: node.line, part });
    } else if (value && (value.origin.kind === 'literal' || value.origin.kind === 'lookup') && !isCallersChoice(fn, node)) {
      found.push({ line: node.line, part: null });
    }
  }
  if (fallsOff && !mayNotFallOff(fn)) found.push({ line: fn.node.endLine, part: null });
  return found;
}

/** Whether the last statement is one whose end the flow overestimates: what never returns by itself, and loops that try again. */
function mayNotFallOff(fn: FunctionInfo): boolean {
  const last = fn.node.body.at(-1);
  if (last === undefined || last.kind === 'expression' || last.kind === 'switch') return true;
  if (last.kind === 'with') return some(last, ({ kind }) => kind === 'loop');
  return last.kind === 'loop' && some(last, ({ kind }) => kind === 'raise' || kind === 'try');
}

/** Whether the arguments alone decide on a `return`: then the caller knows the result. */
export function isCallersChoice(fn: FunctionInfo, node: Node): boolean {
  const guards = guardsAt(node);
  return (
    guards.length > 0 &&
    guards.every(({ test }) => !some(test, (one) => one.kind === 'call' || (one.kind === 'name' && !fn.params.includes(one.name))))
  );
}

function ofParameters(module: SourceModule, fn: FunctionInfo, flow: Flow): Pick<FunctionFacts, 'uses' | 'hands'> {
  const uses: { line: number; param: string }[] = [];
  const hands: { param: string; to: Target; as: number | string }[] = [];
  for (const { node, value, caught, conditional, passed } of flow.uses) {
    if (value.origin.kind !== 'parameter' || caught || conditional) continue;
    const param = value.origin.name;
    if (!passed) {
      if (!uses.some((one) => one.param === param)) uses.push({ param, line: node.line });
      continue;
    }
    const to = targetOf(module, fn, passed.call.callee);
    if (to && hands.length < MAX_HANDS) hands.push({ param, to, as: passed.as });
  }
  return { uses, hands };
}

const MAX_HANDS = 40;

function resultsOf(module: SourceModule, fn: FunctionInfo, flow: Flow): FunctionFacts['results'] {
  const found: { of: Target; isTested: boolean }[] = [];
  for (const node of flow.tested) {
    const of = node.kind === 'call' || node.kind === 'attribute' ? targetOfResult(module, fn, node) : null;
    if (of) found.push({ of, isTested: true });
  }
  for (const { how, value } of flow.uses) {
    const { origin } = value;
    if (how === 'argument' || how === 'unpacked' || origin.kind !== 'result' || flow.tested.has(origin.node)) continue;
    const of = targetOfResult(module, fn, origin.node);
    if (of) found.push({ of, isTested: false });
  }
  return found;
}

/** What yields a result: the callee of a call, or a property. */
export function targetOfResult(module: SourceModule, fn: FunctionInfo, node: Node): Target | null {
  if (node.kind === 'call') return targetOf(module, fn, node.callee);
  return node.kind === 'attribute' ? targetOf(module, fn, node) : null;
}

/**
 * What a callee names.
 * @param fn the function around, whose local names are followed; null: none
 */
export function targetOf(module: SourceModule, fn: FunctionInfo | null, callee: Expr, depth = 0): Target | null {
  callee.budget.spend(4);
  if (callee.kind === 'name') return { on: 'name', name: callee.name };
  if (callee.kind !== 'attribute') return null;
  const { name, object } = callee;
  if (isSelf(object)) return { on: 'self', name };
  if (object.kind === 'name') return ofName(module, fn, { local: object.name, name, depth });
  const attribute = selfAttribute(object);
  if (attribute !== null) return { on: 'attribute', attribute, name };
  const isSuper = object.kind === 'call' && calleeName(object) === 'super';
  if (isSuper) return { on: 'super', name };
  const path = pathOf(object);
  if (path !== null && module.imports.has(path.split('.')[0] as string)) return { on: 'local', local: path, name };
  const of = object.kind === 'call' && depth < MAX_CHAIN ? targetOf(module, fn, object.callee, depth + 1) : null;
  return of ? { on: 'result', of, name } : { on: 'any', name };
}

const MAX_CHAIN = 3;

function ofName(module: SourceModule, fn: FunctionInfo | null, one: { local: string; name: string; depth: number }): Target {
  const { local, name, depth } = one;
  const bound = fn ? bindingsOf(fn, local) : [];
  if (bound.length === 0 && !fn?.params.includes(local) && (module.imports.has(local) || module.classes.has(local)))
    return { on: 'local', local, name };
  const value = bound.length === 1 ? (bound[0]?.value ?? null) : null;
  const of = value?.kind === 'call' && depth < MAX_CHAIN ? targetOf(module, fn, (value as Call).callee, depth + 1) : null;
  return of ? { on: 'result', of, name } : { on: 'any', name };
}
