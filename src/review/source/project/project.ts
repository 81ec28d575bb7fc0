import { grouped } from '../../../model/grouped.ts';
import { wordsOf } from '../expressions.ts';
import type { ClassFacts, FileFacts, FunctionFacts, Target } from './facts.ts';

/** A function with its file. */
export interface Known {
  readonly file: FileFacts;
  readonly fn: FunctionFacts;
}

/** A place in a file of the project that supports a claim. */
export interface Reason {
  readonly path: string;
  readonly line: number;
  readonly name: string;
}

/** How callers treat the result of a function. */
export interface Belief {
  readonly tested: number;
  readonly untested: number;
}

interface KnownClass {
  readonly file: FileFacts;
  readonly cls: ClassFacts;
}

/** Calls from one function to the next that a question follows. */
const MAX_DEPTH = 5;
/** Functions of one name that are asked where the type of the object is not known. */
const MAX_CANDIDATES = 6;

/** All files of a review, as far as each tells about itself. Rules ask it what a single file cannot answer. */
export class Project {
  readonly #files: readonly FileFacts[];
  readonly #modules = new Map<string, FileFacts | null>();
  readonly #functions: ReadonlyMap<string, readonly Known[]>;
  readonly #own = new Map<FileFacts, ReadonlyMap<string, FunctionFacts>>();
  readonly #byPath = new Map<string, FileFacts>();
  readonly #answers = new Map<string, Reason | null>();
  readonly #beliefs = new Map<FunctionFacts, Belief>();
  #sites: ReadonlyMap<string, readonly { readonly from: Known; readonly of: Target; readonly isTested: boolean }[]> | null = null;

  /** @param files in the order of their paths, so that the answers do not depend on the order of learning */
  constructor(files: readonly FileFacts[]) {
    this.#files = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
    for (const file of this.#files) {
      this.#byPath.set(file.path, file);
      this.#own.set(file, new Map(file.functions.map((fn) => [`${fn.cls ?? ''}.${fn.name}`, fn])));
    }
    for (const file of this.#files)
      for (const name of moduleNames(file.path)) this.#modules.set(name, this.#modules.has(name) ? null : file);
    const all = this.#files.flatMap((file) => file.functions.map((fn) => ({ file, fn })));
    this.#functions = grouped(all, ({ fn }) => [fn.name]);
  }

  /** The file of a path; null: it is not part of the project. */
  file(path: string): FileFacts | null {
    return this.#byPath.get(path) ?? null;
  }

  /** The functions that a call may call; none where that is not known. */
  called(from: Known, target: Target): readonly Known[] {
    return this.#resolve(from.file, from.fn.cls, { target, depth: 0 });
  }

  /** Where all functions that a call may call return nothing; null: one of them does not, or none is known. */
  mayBeNothing(from: Known, target: Target, part: number | null): Reason | null {
    return this.#allNothing(this.called(from, target), part, 0);
  }

  /** Where all functions that a call may call use an argument on every path; null: one of them does not, or none is known. */
  usesArgument(from: Known, target: Target, as: number | string): Reason | null {
    return this.#usesArgument(this.called(from, target), as, 0);
  }

  /** How often callers test the result of what a call calls. */
  belief(from: Known, target: Target): Belief {
    const [first] = this.called(from, target);
    return first ? this.#beliefIn(first.fn) : { tested: 0, untested: 0 };
  }

  #beliefIn(fn: FunctionFacts): Belief {
    const known = this.#beliefs.get(fn);
    if (known) return known;
    this.#sites ??= grouped(
      this.#files.flatMap((file) =>
        file.functions.flatMap((from) => from.results.map(({ of, isTested }) => ({ from: { file, fn: from }, of, isTested }))),
      ),
      ({ of }) => [of.name],
    );
    const sites = (this.#sites.get(fn.name) ?? [])
      .slice(0, MAX_SITES)
      .filter(({ from, of }) => this.called(from, of).some((one) => one.fn === fn));
    const tested = sites.filter(({ isTested }) => isTested).length;
    const belief = { tested, untested: sites.length - tested };
    this.#beliefs.set(fn, belief);
    return belief;
  }

  #allNothing(called: readonly Known[], part: number | null, depth: number): Reason | null {
    let found: Reason | null = null;
    for (const one of called) {
      const reason = this.#nothingOf(one, part, depth);
      if (!reason) return null;
      found ??= reason;
    }
    return found;
  }

  #nothingOf(one: Known, part: number | null, depth: number): Reason | null {
    return this.#answer(`nothing ${part}`, { one, depth }, () => {
      const own = one.fn.nothing.find((place) => place.part === part);
      let reason: Reason | null = own ? { path: one.file.path, line: own.line, name: one.fn.name } : null;
      if (depth >= MAX_DEPTH) return reason;
      for (const target of one.fn.passesOn) reason ??= this.#allNothing(this.called(one, target), part, depth + 1);
      return reason;
    });
  }

  #usesArgument(called: readonly Known[], as: number | string, depth: number): Reason | null {
    let found: Reason | null = null;
    for (const one of called) {
      const param = typeof as === 'string' ? as : one.fn.params[as];
      const reason = param === undefined ? null : this.#usesParameter(one, param, depth);
      if (!reason) return null;
      found ??= reason;
    }
    return found;
  }

  #usesParameter(one: Known, param: string, depth: number): Reason | null {
    return this.#answer(`uses ${param}`, { one, depth }, () => {
      const use = one.fn.uses.find((place) => place.param === param);
      let reason: Reason | null = use ? { path: one.file.path, line: use.line, name: one.fn.name } : null;
      if (depth >= MAX_DEPTH) return reason;
      for (const hand of one.fn.hands) {
        if (hand.param === param) reason ??= this.#usesArgument(this.called(one, hand.to), hand.as, depth + 1);
      }
      return reason;
    });
  }

  /** An answer that is worked out once. It depends on the depth, so that it never depends on what was asked before. */
  #answer(question: string, { one, depth }: { one: Known; depth: number }, find: () => Reason | null): Reason | null {
    const key = `${depth} ${question} ${one.fn.line} ${one.fn.name} ${one.file.path}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const answer = find();
    this.#answers.set(key, answer);
    return answer;
  }

  #resolve(file: FileFacts, cls: string | null, { target, depth }: { target: Target; depth: number }): readonly Known[] {
    const one = (known: Known | null) => (known ? [known] : []);
    switch (target.on) {
      case 'self': {
        const own = cls === null ? null : this.#class(file, cls);
        return own ? one(this.#method(own, target.name)) : [];
      }
      case 'super': {
        const own = cls === null ? null : this.#class(file, cls);
        return own ? one(this.#inherited(own, target.name, 0)) : [];
      }
      case 'name':
        return one(this.#named(file, target.name));
      case 'local':
        return one(this.#ofLocal(file, target.local, target.name));
      case 'attribute': {
        const own = cls === null ? null : this.#class(file, cls);
        const made = own ? this.#attribute(own, target.attribute, 0) : null;
        const type =
          made && depth < MAX_DEPTH ? this.#typeOf(made.file, own?.cls.name ?? null, { target: made.target, depth: depth + 1 }) : null;
        return type ? one(this.#method(type, target.name)) : this.#byName(file, target.name, 2);
      }
      case 'result': {
        const type = depth < MAX_DEPTH ? this.#typeOf(file, cls, { target: target.of, depth: depth + 1 }) : null;
        return type ? one(this.#method(type, target.name)) : this.#byName(file, target.name, 3);
      }
      default:
        return this.#byName(file, target.name, 3);
    }
  }

  /** The class of the result of a call: the class that it calls, or that the called function makes. */
  #typeOf(file: FileFacts, cls: string | null, { target, depth }: { target: Target; depth: number }): KnownClass | null {
    const named =
      target.on === 'name'
        ? this.#class(file, target.name)
        : target.on === 'local'
          ? this.#classIn(this.#moduleOf(file, target.local), target.name)
          : null;
    if (named || depth >= MAX_DEPTH) return named;
    const [called, more] = this.#resolve(file, cls, { target, depth: depth + 1 });
    if (!called || more) return null;
    const [made] = called.fn.passesOn;
    return made ? this.#typeOf(called.file, called.fn.cls, { target: made, depth: depth + 1 }) : null;
  }

  #function(file: FileFacts, cls: string | null, name: string): FunctionFacts | undefined {
    return this.#own.get(file)?.get(`${cls ?? ''}.${name}`);
  }

  /** Functions of a name of at least so many words, wherever they are in files of the same language. */
  #byName(file: FileFacts, name: string, words: number): readonly Known[] {
    if (name.startsWith('__') || wordsOf(name).length < words + (isPython(file) ? 0 : 1)) return [];
    const found = (this.#functions.get(name) ?? []).filter((one) => isPython(one.file) === isPython(file));
    return found.length <= MAX_CANDIDATES ? found : [];
  }

  #named(file: FileFacts, name: string): Known | null {
    const own = this.#function(file, null, name);
    if (own) return { file, fn: own };
    const from = file.imports.get(name);
    const module = from?.imported ? this.#module(file, from.module) : null;
    const fn = module && from?.imported ? this.#function(module, null, from.imported) : undefined;
    return module && fn ? { file: module, fn } : null;
  }

  /** `local.name`, where `local` is a module or a class. */
  #ofLocal(file: FileFacts, local: string, name: string): Known | null {
    const module = this.#moduleOf(file, local);
    const fn = module ? this.#function(module, null, name) : undefined;
    if (module && fn) return { file: module, fn };
    const cls = this.#class(file, local);
    return cls ? this.#method(cls, name) : null;
  }

  /** The module that a local name stands for. */
  #moduleOf(file: FileFacts, local: string): FileFacts | null {
    const from = file.imports.get(local.split('.')[0] as string);
    if (!from) return null;
    if (local.includes('.')) return this.#module(file, local);
    return this.#module(file, from.imported === null ? from.module : `${from.module}.${from.imported}`);
  }

  #class(file: FileFacts, name: string): KnownClass | null {
    const own = this.#classIn(file, name);
    if (own) return own;
    const [first = '', ...rest] = name.split('.');
    if (rest.length > 0) return this.#classIn(this.#moduleOf(file, first), rest.join('.'));
    const from = file.imports.get(first);
    return from?.imported ? this.#classIn(this.#module(file, from.module), from.imported) : null;
  }

  #classIn(file: FileFacts | null, name: string): KnownClass | null {
    const cls = file?.classes.find((one) => one.name === name);
    return file && cls ? { file, cls } : null;
  }

  #method(own: KnownClass, name: string): Known | null {
    const fn = this.#function(own.file, own.cls.name, name);
    return fn ? { file: own.file, fn } : this.#inherited(own, name, 0);
  }

  #inherited(own: KnownClass, name: string, depth: number): Known | null {
    if (depth >= MAX_DEPTH) return null;
    for (const base of own.cls.bases) {
      const above = this.#class(own.file, base);
      if (!above || above.cls === own.cls) continue;
      const fn = this.#function(above.file, above.cls.name, name);
      const found = fn ? { file: above.file, fn } : this.#inherited(above, name, depth + 1);
      if (found) return found;
    }
    return null;
  }

  #attribute(own: KnownClass, name: string, depth: number): { file: FileFacts; target: Target } | null {
    const target = own.cls.attributes.get(name);
    if (target) return { file: own.file, target };
    if (depth >= MAX_DEPTH) return null;
    for (const base of own.cls.bases) {
      const above = this.#class(own.file, base);
      const found = above && above.cls !== own.cls ? this.#attribute(above, name, depth + 1) : null;
      if (found) return found;
    }
    return null;
  }

  /** The file that an import names. */
  #module(file: FileFacts, name: string): FileFacts | null {
    const parts = file.path.split('/').slice(0, -1);
    if (!name.startsWith('.')) return this.#modules.get(name) ?? this.#modules.get([...parts, name].join('.')) ?? null;
    if (name.startsWith('./') || name.startsWith('../')) {
      for (const part of name.replace(/\.[cm]?[jt]sx?$/, '').split('/')) {
        if (part === '..') parts.pop();
        else if (part !== '.') parts.push(part);
      }
      return this.#modules.get(parts.join('.')) ?? null;
    }
    const dots = /^\.+/.exec(name)?.[0].length ?? 1;
    const base = parts.slice(0, parts.length - (dots - 1));
    return this.#modules.get([...base, ...name.slice(dots).split('.').filter(Boolean)].join('.')) ?? null;
  }
}

const isPython = ({ path }: FileFacts) => path.endsWith('.py');
/** Calls of a function that decide what its callers believe. */
const MAX_SITES = 400;
/** Folders of a path that can begin the name of a module. */
const MAX_FOLDERS = 12;

/** The names under which a file can be imported: `a/b/c.py` is `a.b.c`, `b.c` and `c`. */
function moduleNames(path: string): string[] {
  const parts = path
    .replace(/\.(py|[cm]?tsx?)$/, '')
    .replace(/\/(__init__|index)$/, '')
    .split('/');
  const names = [parts.join('.')];
  for (let from = Math.max(1, parts.length - MAX_FOLDERS); from < parts.length - 1; from++) names.push(parts.slice(from).join('.'));
  return names;
}
