import type { Router } from '../../contract/router.ts';
import { Denied, InvalidInput } from '../../model/errors.ts';
import { type Check, type Credentials, compileCheck, type Target } from './language.ts';
import { DEFAULT_RULES, type RuleName } from './rules.ts';

export type { RuleName };

/** Check strings by rule name, as in a policy file. */
export type PolicyRules = Readonly<Record<string, string>>;

/** Rules that refer to each other more deeply than this count as a circle. */
const MAX_DEPTH = 32;

/** Decides about accesses by the default rules, overridden by those of a policy file. */
export class Policy {
  readonly #checks: ReadonlyMap<string, Check>;
  /** Names of rules in the file that no default rule uses: rules of other services, or misspellings. */
  readonly unused: readonly string[];

  /** @throws InvalidInput for a rule that cannot be compiled, refers to an unknown rule, or refers to itself */
  constructor(rules: PolicyRules = {}) {
    const texts = new Map<string, string>([...Object.entries(DEFAULT_RULES), ...Object.entries(rules)]);
    const { checks, references } = compileReachable(texts);
    for (const name of checks.keys()) refuseCircles(name, references, []);
    this.#checks = checks;
    this.unused = Object.keys(rules).filter((name) => !checks.has(name));
  }

  /** Whether the rule allows the access. */
  allows(credentials: Credentials, name: RuleName, target: Target): boolean {
    const evaluate = (rule: string): boolean => (this.#checks.get(rule) as Check)(credentials, target, evaluate);
    return evaluate(name);
  }

  /** @throws Denied with Neutron's message if the rule refuses the access */
  enforce(credentials: Credentials, name: RuleName, target: Target): void {
    if (!this.allows(credentials, name, target)) throw new Denied(`rule:${name} is disallowed by policy`);
  }
}

/** Returns the target for the rules of a router. */
export function routerTarget({ projectId }: Pick<Router, 'projectId'>): Target {
  return { project_id: projectId, tenant_id: projectId };
}

/** Returns the target for the rules of a helper: the project of its router, whatever the request says. */
export function helperTarget({ projectId }: Pick<Router, 'projectId'>): Target {
  return {
    project_id: projectId,
    tenant_id: projectId,
    'ext_parent:project_id': projectId,
    'ext_parent:tenant_id': projectId,
  };
}

/**
 * Compiles the rules that Pinhole uses, and those that they refer to. A file may also hold rules of other services, with checks
 * that Pinhole does not support.
 */
function compileReachable(texts: ReadonlyMap<string, string>): { checks: Map<string, Check>; references: Map<string, string[]> } {
  const checks = new Map<string, Check>();
  const references = new Map<string, string[]>();
  const waiting = Object.keys(DEFAULT_RULES) as string[];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (checks.has(name)) continue;
    const text = texts.get(name);
    if (text === undefined) throw new InvalidInput(name, `Policy ${name} is not defined, and another rule refers to it.`);
    const { check, rules } = compileCheck(text, name);
    checks.set(name, check);
    references.set(name, rules);
    waiting.push(...rules);
  }
  return { checks, references };
}

/** @throws InvalidInput if the rule refers to itself through `path` */
function refuseCircles(name: string, references: ReadonlyMap<string, readonly string[]>, path: readonly string[]): void {
  if (path.includes(name) || path.length > MAX_DEPTH)
    throw new InvalidInput(name, `Policy ${name} refers to itself: ${[...path, name].join(' → ')}.`);
  for (const next of references.get(name) ?? []) refuseCircles(next, references, [...path, name]);
}
