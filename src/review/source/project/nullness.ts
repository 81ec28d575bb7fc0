import { calleeName, flatTargets, isConstant, isSelf, receiver, some } from '../expressions.ts';
import { exits } from '../flow.ts';
import {
  type Assign,
  type Attribute,
  type Call,
  children,
  type Expr,
  type Func,
  type If,
  type Loop,
  type Node,
  type Stmt,
  type Try,
} from '../ir.ts';
import { isLogging } from '../vocabulary.ts';
import { assume } from './conditions.ts';
import { assignedIn, forget, forgetAttributes, handled, namesAssigned, something } from './states.ts';
import { assigned, join, type Known, keyOf, type Maybe, type Origin, type State } from './values.ts';

/** A use that fails if the value is nothing, or hands it on. */
export interface Use {
  readonly node: Node;
  readonly how: 'attribute' | 'index' | 'called' | 'iterated' | 'unpacked' | 'formatted' | 'argument';
  readonly value: Maybe;
  /** Whether an exception that the use raises is caught in this function. */
  readonly caught: boolean;
  /** Whether the use stands in a branch or loop. */
  readonly conditional: boolean;
  /** For an argument: the call that receives it, and its position or name. */
  readonly passed: { readonly call: Call; readonly as: number | string } | null;
}

/** What a function returns at one place; a null value is something, as far as is known. */
export interface Returned {
  readonly node: Node;
  readonly expr: Expr | null;
  readonly value: Maybe | null;
}

/** What the flow of nothing through one function shows. */
export interface Flow {
  readonly uses: readonly Use[];
  readonly returned: readonly Returned[];
  /** Whether control can reach the end of the body. */
  readonly fallsOff: boolean;
  /** Results of calls that the function compares with nothing, or tests. */
  readonly tested: ReadonlySet<Node>;
}

/** Why an expression of the language or of a known library may be nothing; null: it does not say. */
export type Lookup = (node: Expr) => string | null;

/** Follows values that may be nothing through a function, path by path. Each statement is visited once. @throws OutOfSteps */
export function flowOf(fn: Func, lookup: Lookup): Flow {
  return new Follower(lookup).run(fn);
}

class Follower {
  readonly #lookup: Lookup;
  readonly #uses: Use[] = [];
  readonly #returned: Returned[] = [];
  readonly #tested = new Set<Node>();
  /** Uses of each value so far: later ones follow from the first. */
  readonly #seen = new Map<Node, Set<number | null>>();
  /** States at `break` of the loops around, innermost last. */
  readonly #breaks: State[] = [];
  #caught = 0;
  #depth = 0;

  constructor(lookup: Lookup) {
    this.#lookup = lookup;
  }

  run(fn: Func): Flow {
    const start = new Map<string, Known>();
    for (const { name } of fn.params) {
      if (name !== 'self' && name !== 'cls' && name !== 'this') {
        start.set(name, { origin: { kind: 'parameter', node: null, name }, sure: false });
      }
    }
    const end = this.#block(fn.body, start);
    return { uses: this.#uses, returned: this.#returned, fallsOff: end !== null, tested: this.#tested };
  }

  #block(statements: readonly Stmt[], from: State): State {
    return statements.reduce((state, one) => (state === null ? null : this.#statement(one, state)), from);
  }

  #branch(statements: readonly Stmt[], from: State): State {
    this.#depth++;
    const end = this.#block(statements, from);
    this.#depth--;
    return end;
  }

  #statement(node: Stmt, state: ReadonlyMap<string, Known>): State {
    node.budget.spend(4 + state.size);
    switch (node.kind) {
      case 'expression':
        return this.#expressionStatement(node.expr, state);
      case 'assign':
        return this.#assign(node, state);
      case 'return':
        return this.#return(node, node.value, state);
      case 'raise':
        if (node.value) this.#read(node.value, state);
        return null;
      case 'jump':
        if (node.form === 'break' && this.#breaks.length > 0) this.#breaks.push(join(this.#breaks.pop() ?? null, state));
        return null;
      case 'if':
        return this.#if(node, state);
      case 'loop':
        return this.#loop(node, state);
      case 'try':
        return this.#try(node, state);
      case 'with':
        return this.#with(node, state);
      case 'assert':
        return assume(node.test, true, this.#read(node.test, state), this.#tested);
      case 'switch':
        return this.#switch(node, state);
      case 'plain':
        if (node.form === 'block') return this.#block(node.items as readonly Stmt[], state);
        return node.items.reduce((now, one) => this.#read(one as Expr, now), state);
      case 'delete':
        return node.targets.reduce((now, one) => forget(now, keyOf(one)), state);
      default:
        return state;
    }
  }

  #expressionStatement(expr: Expr, state: ReadonlyMap<string, Known>): State {
    const after = this.#read(expr, state);
    const call = expr.kind === 'other' ? expr.items[0] : expr;
    if (call?.kind !== 'call') return after;
    if (exits([{ ...expr, kind: 'expression', expr } as Stmt]) || ENDS.test(calleeName(call) ?? '')) return null;
    // A call for its effect, such as `check(x)`, may refuse nothing.
    if (!CHECKS.test(calleeName(call) ?? '')) return after;
    return [...call.args, receiver(call)].reduce((now, one) => something(now, keyOf(one as Expr)), after);
  }

  #return(node: Node, value: Expr | null, state: ReadonlyMap<string, Known>): null {
    if (value) this.#read(value, state);
    const literal: Maybe = { origin: { kind: 'literal', node }, sure: true };
    this.#returned.push({ node, expr: value, value: value ? this.#value(value, state) : literal });
    return null;
  }

  #assign(node: Assign, state: ReadonlyMap<string, Known>): ReadonlyMap<string, Known> {
    let now = node.value ? this.#read(node.value, state) : state;
    for (const target of node.targets) now = this.#target(target, now);
    if (node.value && node.targets.length === 1 && isPattern(node.targets[0] as Expr)) return this.#unpack(node, now);
    const value = node.value && node.op === '=' ? this.#value(node.value, now) : null;
    return flatTargets(node.targets).reduce((before, target) => {
      const key = keyOf(target);
      return key === null ? before : assigned(before, key, isPattern(node.targets[0] as Expr) ? null : value);
    }, now);
  }

  /** `a, b = f()`: each name is a part of the result. */
  #unpack(node: Assign, state: ReadonlyMap<string, Known>): ReadonlyMap<string, Known> {
    const value = node.value as Expr;
    const [pattern] = node.targets;
    const items = pattern?.kind === 'collection' ? pattern.items : [];
    const from = plain(value);
    const whole = this.#value(value, state);
    if (whole && items.length > 0) this.#use(value, 'unpacked', whole);
    return flatTargets(node.targets).reduce((before, target) => {
      const key = keyOf(target);
      const part = items.indexOf(target);
      const origin: Origin | null = from.kind === 'call' && part >= 0 ? { kind: 'result', node: from, part } : null;
      return key === null ? before : assigned(before, key, origin ? { origin, sure: false } : null);
    }, state);
  }

  /** Reads the parts of a target: `x.y = …` uses x. */
  #target(target: Expr, state: ReadonlyMap<string, Known>): ReadonlyMap<string, Known> {
    if (target.kind === 'attribute') return this.#dereference(target.object, state, 'attribute');
    if (target.kind === 'index') return this.#read(target.index, this.#dereference(target.object, state, 'index'));
    return state;
  }

  #if(node: If, state: ReadonlyMap<string, Known>): State {
    const read = this.#read(node.test, state);
    const yes = this.#branch(node.consequent, assume(node.test, true, read, this.#tested));
    const no = assume(node.test, false, read, this.#tested);
    const otherwise = node.otherwise ? this.#branch(node.otherwise, no) : no;
    return join(handled(node.consequent, yes), node.otherwise ? handled(node.otherwise, otherwise) : otherwise);
  }

  #loop(node: Loop, state: ReadonlyMap<string, Known>): State {
    let now = node.iter ? this.#dereference(node.iter, state, 'iterated') : state;
    for (const one of node.head) now = one.kind === 'assign' ? this.#assign(one, now) : this.#read(one as Expr, now);
    // A later turn begins with what an earlier one assigned.
    for (const key of assignedIn(node)) now = forget(now, key);
    if (node.test) now = this.#read(node.test, now);
    this.#breaks.push(null);
    const entered = node.test ? assume(node.test, true, now, this.#tested) : now;
    const end = this.#branch(node.body, entered);
    const broken = this.#breaks.pop() ?? null;
    const isEndless = node.form !== 'each' && (node.test === null || isConstant(node.test, 'true') || node.test.kind === 'num');
    const left = isEndless ? null : join(node.test ? assume(node.test, false, now, this.#tested) : now, end);
    return join(node.otherwise ? this.#branch(node.otherwise, left) : left, broken);
  }

  #try(node: Try, state: ReadonlyMap<string, Known>): State {
    const catches = node.handlers.some(({ type }) => type === null || some(type, isBroad));
    this.#caught += catches ? 1 : 0;
    const body = this.#block(node.body, state);
    this.#caught -= catches ? 1 : 0;
    const start = [...namesAssigned(node.body)].reduce(forget, state);
    const ends = node.handlers.map((handler) => this.#branch(handler.body, start));
    const done = node.otherwise ? this.#branch(node.otherwise, body) : body;
    const met = ends.reduce(join, done);
    return node.finalizer ? this.#finally(node.finalizer, met, start) : met;
  }

  #finally(finalizer: readonly Stmt[], met: State, start: ReadonlyMap<string, Known>): State {
    const end = this.#block(finalizer, met ?? start);
    return met === null ? null : end;
  }

  #with(node: Extract<Stmt, { kind: 'with' }>, state: ReadonlyMap<string, Known>): State {
    let now = state;
    for (const { value, target } of node.items) {
      now = this.#read(value, now);
      if (target) for (const one of flatTargets([target])) now = forget(now, keyOf(one));
    }
    const isQuiet = node.items.some(({ value }) => value.kind === 'call' && /suppress|raises|assert/i.test(calleeName(value) ?? ''));
    this.#caught += isQuiet ? 1 : 0;
    const end = this.#block(node.body, now);
    this.#caught -= isQuiet ? 1 : 0;
    if (node.items.some(({ value }) => value.kind === 'call' && /reraise/.test(calleeName(value) ?? ''))) return null;
    return isQuiet ? join(end, now) : end;
  }

  #switch(node: Extract<Stmt, { kind: 'switch' }>, state: ReadonlyMap<string, Known>): State {
    const now = forget(this.#read(node.subject, state), keyOf(node.subject));
    this.#breaks.push(null);
    let end: State = node.cases.some(({ tests }) => tests.length === 0) ? null : now;
    let through: State = null;
    for (const { body } of node.cases) {
      through = this.#branch(body, join(now, through));
      if (body.length > 0) end = join(end, through);
    }
    return join(end, this.#breaks.pop() ?? null);
  }

  /** Reads an expression in the order of evaluation, noting uses. The state after it knows what was used to be something. */
  #read(node: Expr, state: ReadonlyMap<string, Known>): ReadonlyMap<string, Known> {
    node.budget.spend(3);
    switch (node.kind) {
      case 'name':
      case 'constant':
      case 'num':
      case 'function':
      case 'class':
        return state;
      case 'attribute':
        return node.optional ? this.#read(node.object, state) : this.#dereference(node.object, state, 'attribute');
      case 'index':
        return this.#read(node.index, node.optional ? this.#read(node.object, state) : this.#dereference(node.object, state, 'index'));
      case 'slice':
        return this.#dereference(node.object, state, 'index');
      case 'call':
        return this.#call(node, state);
      case 'logic': {
        const left = this.#read(node.left, state);
        const right = assume(node.left, node.op === 'and', left, this.#tested);
        if (right) this.#read(node.right, right);
        return left;
      }
      case 'ternary': {
        const test = this.#read(node.test, state);
        const yes = assume(node.test, true, test, this.#tested);
        const no = assume(node.test, false, test, this.#tested);
        if (yes) this.#read(node.consequent, yes);
        if (no) this.#read(node.otherwise, no);
        return test;
      }
      case 'comprehension':
        return this.#comprehension(node, state);
      case 'binary':
        return this.#binary(node, state);
      case 'compare':
        if (/^(in|not in)$/.test(node.op)) return this.#dereference(node.right, this.#read(node.left, state), 'iterated');
        return this.#read(node.right, this.#read(node.left, state));
      case 'assign':
        return this.#assign(node, state);
      default:
        return children(node).reduce((now, one) => this.#read(one as Expr, now), state);
    }
  }

  #binary(node: Extract<Expr, { kind: 'binary' }>, state: ReadonlyMap<string, Known>): ReadonlyMap<string, Known> {
    const now = this.#read(node.right, this.#read(node.left, state));
    if (node.op === '%' && node.left.kind === 'text') this.#formatted(node.left.value, [node.right], now);
    return now;
  }

  /** Values that `%d` formats. */
  #formatted(text: string, values: readonly Expr[], state: ReadonlyMap<string, Known>): void {
    const named = new Set([...text.slice(0, MAX_FORMAT).matchAll(/%\((\w+)\)[-+ 0#]*\d*d/g)].map(([, name]) => name));
    const [only] = values;
    if (only?.kind === 'dict') {
      for (const { key, value } of only.entries) if (key?.kind === 'text' && named.has(key.value)) this.#useOf(value, state, 'formatted');
      return;
    }
    const list = only?.kind === 'collection' && values.length === 1 ? only.items : values;
    const marks = [...text.slice(0, MAX_FORMAT).matchAll(/%[-+ 0#]*[\d.]*([a-z%])/g)]
      .map(([, mark]) => mark)
      .filter((mark) => mark !== '%');
    for (const [index, value] of list.entries()) if (marks[index] === 'd') this.#useOf(value, state, 'formatted');
  }

  #useOf(node: Expr, state: ReadonlyMap<string, Known>, how: Use['how']): void {
    const value = this.#value(node, state);
    if (value) this.#use(node, how, value);
  }

  #call(node: Call, state: ReadonlyMap<string, Known>): ReadonlyMap<string, Known> {
    let now = this.#read(node.callee, state);
    for (const one of node.args) now = this.#read(one, now);
    for (const { value } of node.keywords) now = this.#read(value, now);
    if (isLogging(node)) {
      const [text, ...values] = node.args;
      if (text?.kind === 'text') this.#formatted(text.value, values, now);
      return now;
    }
    if (node.callee.kind === 'name' && node.callee.name === 'len' && node.args[0]) now = this.#dereference(node.args[0], now, 'iterated');
    for (const [index, one] of node.args.entries()) this.#pass(node, { expr: one, as: index }, now);
    for (const { name, value } of node.keywords) this.#pass(node, { expr: value, as: name }, now);
    return isHarmless(node) ? now : forgetAttributes(now);
  }

  #pass(call: Call, { expr, as }: { expr: Expr; as: number | string }, state: ReadonlyMap<string, Known>): void {
    const value = this.#value(expr, state);
    if (value && value.origin.kind !== 'literal') this.#use(expr, 'argument', value, { call, as });
  }

  #comprehension(node: Extract<Expr, { kind: 'comprehension' }>, state: ReadonlyMap<string, Known>): ReadonlyMap<string, Known> {
    let inner: State = state;
    for (const { target, iter, conditions } of node.clauses) {
      if (inner === null) return state;
      inner = this.#dereference(iter, inner, 'iterated');
      for (const one of flatTargets([target])) inner = forget(inner, keyOf(one));
      for (const test of conditions) inner = inner && assume(test, true, this.#read(test, inner), this.#tested);
    }
    this.#depth++;
    if (inner) for (const element of node.elements) inner = this.#read(element, inner);
    this.#depth--;
    return state;
  }

  /** Uses a value so that nothing fails; afterwards it is something. */
  #dereference(object: Expr, state: ReadonlyMap<string, Known>, how: Use['how']): ReadonlyMap<string, Known> {
    const now = this.#read(object, state);
    if (isSelf(object)) return now;
    this.#useOf(object, now, how);
    return something(now, keyOf(object));
  }

  #use(node: Node, how: Use['how'], value: Maybe, passed: Use['passed'] = null): void {
    const { origin } = value;
    if (origin.kind === 'literal') return;
    if (how !== 'argument' && origin.node && !this.#isFirst(origin.node, origin.kind === 'result' ? origin.part : null)) return;
    this.#uses.push({ node, how, value, caught: this.#caught > 0, conditional: this.#depth > 0, passed });
  }

  #isFirst(node: Node, part: number | null): boolean {
    const parts = this.#seen.get(node) ?? new Set();
    this.#seen.set(node, parts);
    const isFirst = !parts.has(part);
    parts.add(part);
    return isFirst;
  }

  /** What is known of the value of an expression; null: it is something, or unknown. */
  #value(node: Expr, state: ReadonlyMap<string, Known>): Maybe | null {
    node.budget.spend(2);
    const key = keyOf(node);
    const known = key === null ? undefined : state.get(key);
    if (known) return known === 'something' ? null : known;
    const why = this.#lookup(node);
    if (why) return { origin: { kind: 'lookup', node, why }, sure: false };
    switch (node.kind) {
      case 'constant':
        return node.value === 'none' ? { origin: { kind: 'literal', node }, sure: true } : null;
      case 'call':
        return { origin: { kind: 'result', node, part: null }, sure: false };
      case 'attribute':
        return isSelf(node.object) ? null : { origin: { kind: 'result', node: node as Attribute, part: null }, sure: false };
      case 'assign':
        return node.value ? this.#value(node.value, state) : null;
      case 'logic':
        return node.op === 'and' ? null : this.#value(node.right, state);
      case 'ternary':
        return this.#choice(node, state);
      case 'other':
        return node.form.startsWith('await') && node.items[0] ? this.#value(node.items[0] as Expr, state) : null;
      default:
        return null;
    }
  }

  #choice(node: Extract<Expr, { kind: 'ternary' }>, state: ReadonlyMap<string, Known>): Maybe | null {
    const yes = assume(node.test, true, state, this.#tested);
    const no = assume(node.test, false, state, this.#tested);
    const one = yes && this.#value(node.consequent, yes);
    const other = no && this.#value(node.otherwise, no);
    if (one && other) return { origin: one.origin, sure: one.sure && other.sure };
    const only = one ?? other;
    return only && { ...only, sure: false };
  }
}

/** Functions that by their name do not return. */
const ENDS = /^(abort|_?fail\w*|exit|_?raise\w*|throw\w*|_?die|fatal\w*|panic|unreachable|skipTest|skip)$/;
/** Functions that by their name refuse what is not right. */
const CHECKS = /check|valid|ensure|assert|verif|require|refuse|guard/i;
const MAX_FORMAT = 2000;

/** Exception types whose handler sees a use of nothing. */
function isBroad(node: Node): boolean {
  return (
    (node.kind === 'name' || node.kind === 'attribute') &&
    /^(AttributeError|TypeError|Exception|BaseException|StandardError)$/.test(node.name)
  );
}

function isPattern(target: Expr): boolean {
  return target.kind === 'collection' || target.kind === 'dict' || target.kind === 'other';
}

/** The expression below `await`. */
function plain(node: Expr): Expr {
  return node.kind === 'other' && node.form.startsWith('await') && node.items[0] ? (node.items[0] as Expr) : node;
}

/** Calls without an effect on the program's objects. */
function isHarmless(call: Call): boolean {
  return /^(len|str|int|repr|isinstance|hasattr|getattr|format|join|get|keys|items|values|startswith|endswith|split|strip)$/.test(
    calleeName(call) ?? '',
  );
}
