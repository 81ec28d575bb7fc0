import { grouped } from '../../model/grouped.ts';
import type { Budget } from '../budget.ts';
import { assignsTo, boundNames, calleeName, isSelf, pathOf, selfAttribute } from './expressions.ts';
import {
  type Assign,
  type Call,
  type ClassDef,
  type Comment,
  children,
  type Expr,
  type Func,
  type Kind,
  type Lowered,
  type Node,
  type NodeOf,
} from './ir.ts';
import type { Lines } from './lowering.ts';
import type { LanguageName } from './syntax.ts';

const NOTHING: readonly Node[] = [];

/** A function with its nodes, indexed by kind in the order of the source. Nodes of nested functions belong to those. */
export class FunctionInfo {
  readonly node: Func;
  readonly name: string | null;
  readonly cls: ClassInfo | null;
  readonly outer: FunctionInfo | null;
  readonly inner: FunctionInfo[] = [];
  readonly #budget: Budget;
  readonly #nodes: Partial<Record<Kind, Node[]>> = {};
  readonly #deep: Partial<Record<Kind, readonly Node[]>> = {};
  #names: ReadonlyMap<string, number> | null = null;
  #bindings: ReadonlyMap<string, readonly Assign[]> | null = null;

  constructor(node: Func, place: { name: string | null; cls: ClassInfo | null; outer: FunctionInfo | null; budget: Budget }) {
    this.#budget = place.budget;
    this.node = node;
    this.name = place.name;
    this.cls = place.cls;
    this.outer = place.outer;
    place.outer?.inner.push(this);
  }

  /** `Class.method` or `function`, prefixed by the enclosing function; null for the module itself. */
  get symbol(): string | null {
    const own = this.name === null ? null : this.cls ? `${this.cls.name ?? 'class'}.${this.name}` : this.name;
    const around = this.outer?.symbol ?? null;
    if (own === null) return around;
    return around === null || this.cls ? own : `${around}.${own}`;
  }

  /** Names of the parameters without `self` or `cls`. */
  get params(): readonly string[] {
    const names = this.node.params.map(({ name }) => name);
    return names[0] === 'self' || names[0] === 'cls' ? names.slice(1) : names;
  }

  /** For the indexer only: records a node. */
  add(node: Node): void {
    const list = this.#nodes[node.kind];
    if (list) list.push(node);
    else this.#nodes[node.kind] = [node];
  }

  /** The nodes of a kind. Charges for visiting all of them, because rules ask in nested loops. @throws OutOfSteps */
  of<K extends Kind>(kind: K): readonly NodeOf<K>[] {
    const found = (this.#nodes[kind] ?? NOTHING) as readonly NodeOf<K>[];
    this.#budget.spend(1 + (found.length >> 1));
    return found;
  }

  /** Number of uses of a name, nested functions included. @throws OutOfSteps */
  count(name: string): number {
    this.#budget.spend();
    return this.inner.reduce((sum, one) => sum + one.count(name), this.ownCount(name));
  }

  /** Number of uses of a name, without nested functions. */
  ownCount(name: string): number {
    this.#names ??= this.of('name').reduce(
      (counts, one) => counts.set(one.name, (counts.get(one.name) ?? 0) + 1),
      new Map<string, number>(),
    );
    return this.#names.get(name) ?? 0;
  }

  /** Assignments that bind a name, alone or in a pattern, in the order of the source; without nested functions. @throws OutOfSteps */
  bindings(name: string): readonly Assign[] {
    this.#bindings ??= grouped(this.of('assign'), ({ targets }) => [...new Set(boundNames(targets))]);
    const found = this.#bindings.get(name) ?? [];
    this.#budget.spend(1 + found.length);
    return found;
  }

  /** The nodes of a kind, those of nested functions included. @throws OutOfSteps */
  deep<K extends Kind>(kind: K): readonly NodeOf<K>[] {
    if (this.inner.length === 0) return this.of(kind);
    this.#deep[kind] ??= [...this.of(kind), ...this.inner.flatMap((one) => one.deep(kind))];
    const found = this.#deep[kind] as readonly NodeOf<K>[];
    this.#budget.spend(1 + (found.length >> 1));
    return found;
  }
}

/** A class with its methods and attributes. */
export class ClassInfo {
  readonly node: ClassDef;
  readonly name: string | null;
  readonly methods = new Map<string, FunctionInfo>();
  /** Assignments to `self.NAME` in any method, and fields, by name. */
  readonly attributes = new Map<string, Assign[]>();

  constructor(node: ClassDef) {
    this.node = node;
    this.name = node.name;
  }

  /** The class of `self.NAME`, if it is assigned `self.NAME = Class()`; null: unknown. */
  madeOf(attribute: string): string | null {
    for (const { value } of this.attributes.get(attribute) ?? []) {
      if (value?.kind !== 'call') continue;
      const name = calleeName(value);
      if (name && (value.isNew || /^[A-Z]/.test(name))) return name;
    }
    return null;
  }

  /** The callee whose result `self.NAME` holds, as text, such as `threading.local`; null: unknown. */
  madeBy(attribute: string): string | null {
    for (const { value } of this.attributes.get(attribute) ?? []) if (value?.kind === 'call') return pathOf(value.callee);
    return null;
  }

  /** Whether some assignment gives `self.NAME` a container of keys and values. */
  isMapping(attribute: string): boolean {
    return (this.attributes.get(attribute) ?? []).some(({ value }) => isMapping(value));
  }
}

/**
 * Whether an expression creates a container of keys and values: a literal, a comprehension, or a constructor such as `dict()` or
 * `new Map()`.
 */
export function isMapping(value: Expr | null): boolean {
  if (value?.kind === 'dict' || (value?.kind === 'comprehension' && value.form === 'dict')) return true;
  return value?.kind === 'call' && /^(dict|defaultdict|OrderedDict|WeakValueDictionary|Map|WeakMap)$/.test(calleeName(value) ?? '');
}

/** A source file with its index: the input of every source rule. */
export class SourceModule {
  readonly path: string;
  readonly language: LanguageName;
  readonly lines: Lines;
  /** In the order of the text. */
  readonly comments: readonly Comment[];
  /** The code outside of functions, as a function. */
  readonly top: FunctionInfo;
  /** All functions, {@link top} first. */
  readonly functions: FunctionInfo[] = [];
  readonly classes = new Map<string, ClassInfo>();
  readonly #memo = new Map<string, unknown>();
  /** By local name: the module, and the imported name (null: the module itself). */
  readonly imports = new Map<string, { readonly module: string; readonly imported: string | null }>();
  readonly #budget: Budget;
  #words: ReadonlyMap<string, number> | null = null;
  #asked = 0;

  constructor(path: string, language: LanguageName, source: { lowered: Lowered; lines: Lines; budget: Budget }) {
    this.#budget = source.budget;
    this.path = path;
    this.language = language;
    this.lines = source.lines;
    this.comments = source.lowered.comments;
    const position = { start: 0, end: source.lines.text.length, line: 1, endLine: source.lines.count };
    const node: Func = {
      kind: 'function',
      ...position,
      parent: null,
      name: null,
      params: [],
      defaults: [],
      body: source.lowered.body,
      decorators: [],
      exported: false,
      concise: false,
      budget: this.#budget,
    };
    this.top = new FunctionInfo(node, { name: null, cls: null, outer: null, budget: this.#budget });
    this.functions.push(this.top);
    for (const statement of node.body) this.#index(statement, node, { fn: this.top, cls: null });
  }

  /** Charges for work whose amount the text decides. @throws OutOfSteps */
  spend(steps: number): void {
    this.#budget.spend(steps);
  }

  /** The source text of a node. Charges for reading it. @throws OutOfSteps */
  text(node: { start: number; end: number }): string {
    this.#budget.spend(1 + ((node.end - node.start) >> 4));
    return this.lines.text.slice(node.start, node.end);
  }

  /** The text of a node on one line, cut to `max` characters, for claims. */
  brief({ start, end }: { start: number; end: number }, max = 80): string {
    const text = this.text({ start, end: Math.min(end, start + MAX_BRIEF) }).replace(/\s+/g, ' ');
    return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
  }

  /** Whether a comment stands within a node. */
  hasComment({ start, end }: { start: number; end: number }): boolean {
    let low = 0;
    let high = this.comments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.comments[middle] as Comment).start < start) low = middle + 1;
      else high = middle;
    }
    const next = this.comments[low];
    return next !== undefined && next.end <= end;
  }

  /** A value that is computed once for the file. One key belongs to one type. */
  memo<T>(key: string, make: () => T): T {
    if (!this.#memo.has(key)) this.#memo.set(key, make());
    return this.#memo.get(key) as T;
  }

  /** Number of occurrences of a word in the text, comments and strings included. Counting may stop at `most`. */
  occurrences(word: string, most = Number.POSITIVE_INFINITY): number {
    this.#budget.spend();
    // After a few words it is cheaper to count all words at once.
    if (++this.#asked <= FEW) return countWord(this.text(this.top.node), word, most);
    this.#words ??= wordCounts(this.lines.text);
    return this.#words.get(word) ?? 0;
  }

  /** The class of `self.ATTRIBUTE`, if this file defines it; null: unknown. */
  classOf(cls: ClassInfo | null, attribute: string): ClassInfo | null {
    const name = cls?.madeOf(attribute);
    return name ? (this.classes.get(name) ?? null) : null;
  }

  /** The first function of a name that is neither a method nor nested; null: there is none. */
  function(name: string): FunctionInfo | null {
    const byName = this.memo('functions by name', () =>
      grouped(this.functions, (fn) => (fn.name !== null && fn.cls === null && fn.outer === null ? [fn.name] : [])),
    );
    return byName.get(name)?.[0] ?? null;
  }

  /** The value of a module-level name that is assigned exactly once; null otherwise. */
  constant(name: string): Expr | null {
    const found = this.top.bindings(name).filter((one) => assignsTo(one, name));
    return found.length === 1 ? (found[0]?.value ?? null) : null;
  }

  /** Sets parents and records every node. Each node is visited once. */
  #index(node: Node, parent: Node, scope: { fn: FunctionInfo; cls: ClassInfo | null }): void {
    node.parent = parent;
    scope.fn.add(node);
    if (node.kind === 'function') this.#function(node, parent, scope);
    else if (node.kind === 'class') this.#class(node, scope);
    else {
      if (node.kind === 'import') {
        for (const { local, imported } of node.names) this.imports.set(local, { module: node.module, imported });
      }
      if (node.kind === 'assign') this.#attribute(node, scope);
      for (const child of children(node)) this.#index(child, node, scope);
    }
  }

  #function(node: Func, parent: Node, { fn, cls }: { fn: FunctionInfo; cls: ClassInfo | null }): void {
    const isMember = parent.kind === 'class' || (parent.kind === 'assign' && parent.declared === 'field');
    const name = node.name ?? nameFrom(parent);
    const info = new FunctionInfo(node, { name, cls: isMember ? cls : null, outer: fn === this.top ? null : fn, budget: this.#budget });
    this.functions.push(info);
    if (isMember && cls && name) cls.methods.set(name, info);
    for (const decorator of [...node.decorators, ...node.defaults]) this.#index(decorator, node, { fn, cls: null });
    for (const statement of node.body) this.#index(statement, node, { fn: info, cls });
  }

  #class(node: ClassDef, { fn }: { fn: FunctionInfo }): void {
    const info = new ClassInfo(node);
    if (node.name) this.classes.set(node.name, info);
    for (const child of children(node)) this.#index(child, node, { fn, cls: info });
  }

  #attribute(node: Assign, { cls }: { cls: ClassInfo | null }): void {
    if (!cls) return;
    for (const target of node.targets) {
      const name = selfAttribute(target) ?? (node.parent?.kind === 'class' && target.kind === 'name' ? target.name : null);
      if (name === null) continue;
      const list = cls.attributes.get(name);
      if (list) list.push(node);
      else cls.attributes.set(name, [node]);
    }
  }
}

/** Words that are counted one by one before all are counted. */
const FEW = 20;
/** Only so many characters of a node are read for {@link SourceModule.brief}. */
const MAX_BRIEF = 4000;

function wordCounts(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [word] of text.matchAll(/[\w$\u0080-\uffff]+/g)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

/** Number of occurrences of a whole word in a text. Counting stops at `most`. */
export function countWord(text: string, word: string, most = Number.POSITIVE_INFINITY): number {
  let count = 0;
  for (let at = text.indexOf(word); at >= 0 && count < most; at = text.indexOf(word, at + word.length)) {
    if (!isWordCharacter(text.charCodeAt(at - 1)) && !isWordCharacter(text.charCodeAt(at + word.length))) count++;
  }
  return count;
}

/** ASCII letters, digits, `_` and `$`, and every character outside of ASCII. */
function isWordCharacter(code: number): boolean {
  return (
    (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code === 95 || code === 36 || code > 127
  );
}

/** The name of an anonymous function, from the variable or attribute that it is assigned to. */
function nameFrom(parent: Node): string | null {
  if (parent.kind === 'assign') {
    const [target] = parent.targets;
    return target?.kind === 'name' ? target.name : target?.kind === 'attribute' ? target.name : null;
  }
  return null;
}

/** The method of the same class that `self.method(…)` calls; null: the call is something else. */
export function ownMethod(call: Call, cls: ClassInfo | null): FunctionInfo | null {
  if (!cls || call.callee.kind !== 'attribute' || !isSelf(call.callee.object)) return null;
  return cls.methods.get(call.callee.name) ?? null;
}

/**
 * The function of this file that a call calls: a method of the class, of an attribute whose class is known, or a function by its
 * name; null: unknown.
 */
export function calledFunction(module: SourceModule, call: Call, cls: ClassInfo | null): FunctionInfo | null {
  const own = ownMethod(call, cls);
  if (own) return own;
  const path = pathOf(call.callee);
  if (path === null) return null;
  const attribute = /^(?:self|this)\.([^.[]+)\.([^.[]+)$/.exec(path);
  if (attribute) return module.classOf(cls, attribute[1] as string)?.methods.get(attribute[2] as string) ?? null;
  if (call.callee.kind !== 'name') return null;
  return module.function(call.callee.name);
}

/** The first decorator whose name matches a pattern. */
export function decoratorOf(fn: FunctionInfo, pattern: RegExp): Expr | undefined {
  return fn.node.decorators.find((one) => pattern.test(pathOf(one.kind === 'call' ? one.callee : one) ?? ''));
}
