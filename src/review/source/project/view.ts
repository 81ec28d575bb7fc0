import type { Expr } from '../ir.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';
import { factsOf, type Target, targetOf, targetOfResult, toldOf } from './facts.ts';
import { type Belief, type Known, Project, type Reason } from './project.ts';
import type { Origin } from './values.ts';

/** Steps charged for a question to the project. */
const QUESTION = 60;

/** The project as one of its files sees it: questions in terms of the file's own functions and nodes. */
export class View {
  readonly #module: SourceModule;
  readonly #project: Project;
  readonly #known: ReadonlyMap<FunctionInfo, Known>;

  /** @param project null: the file is the whole project */
  constructor(module: SourceModule, project: Project | null) {
    this.#module = module;
    const told = project?.file(module.path) ?? factsOf(module);
    this.#project = project?.file(module.path) ? project : new Project([told]);
    const known = toldOf(module).flatMap((info, index): [FunctionInfo, Known][] => {
      const fn = told.functions[index];
      return fn ? [[info, { file: told, fn }]] : [];
    });
    this.#known = new Map(known);
  }

  /** Why the result of a call or property may be nothing; null: nothing says so. */
  mayBeNothing(fn: FunctionInfo, origin: Extract<Origin, { kind: 'result' }>): Reason | null {
    return this.#ask(fn, targetOfResult(this.#module, fn, origin.node), (from, target) =>
      this.#project.mayBeNothing(from, target, origin.part),
    );
  }

  /** Where what a call calls uses an argument on every path; null: it does not, as far as is known. */
  usesArgument(fn: FunctionInfo, callee: Expr, as: number | string): Reason | null {
    return this.#ask(fn, targetOf(this.#module, fn, callee), (from, target) => this.#project.usesArgument(from, target, as));
  }

  /** How often the project tests such a result. */
  belief(fn: FunctionInfo, origin: Extract<Origin, { kind: 'result' }>): Belief {
    return (
      this.#ask(fn, targetOfResult(this.#module, fn, origin.node), (from, target) => this.#project.belief(from, target)) ?? {
        tested: 0,
        untested: 0,
      }
    );
  }

  /** A reason in words: its line if it stands in this file, otherwise its file too. */
  wording({ path, line, name }: Reason, what: string): { line: number | null; fact: string } {
    if (path === this.#module.path) return { line, fact: `\`${name}\` ${what}: ${this.#module.lines.textOf(line).trim().slice(0, 80)}` };
    return { line: null, fact: `\`${name}\` ${what}: ${path.split('/').slice(-3).join('/')}:${line}` };
  }

  #ask<T>(fn: FunctionInfo, target: Target | null, question: (from: Known, target: Target) => T): T | null {
    this.#module.spend(QUESTION);
    const from = this.#known.get(fn);
    return from && target ? question(from, target) : null;
  }
}
