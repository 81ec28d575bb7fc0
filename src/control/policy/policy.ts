import type { Router } from '../../contract/router.ts';
import { Denied, InvalidInput } from '../../model/errors.ts';
import { type Check, type Credentials, compileCheck, type Target } from './language.ts';
import { DEFAULT_RULES, type RuleName } from './rules.ts';

export type { RuleName };

/** Check strings by rule name, as a policy file has them. */
export type PolicyRules = Readonly<Record<string, string>>;

/** Rules that name each other deeper than this are taken to go in circles. */
const MAX_DEPTH = 32;

/** Who may do what: the default rules, with those of a policy file in their place. */
export class Policy {
  readonly #checks: ReadonlyMap<string, Check>;
  /** Names in the file that nothing here asks for: other services' rules, or a misspelling. */
  readonly unused: readonly string[];

  /** @throws InvalidInput for a rule that cannot be read, names one that is not there, or goes in circles */
  constructor(rules: PolicyRules = {}) {
    const texts = new Map<string, string>([...Object.entries(DEFAULT_RULES), ...Object.entries(rules)]);
    const { checks, references } = compileReachable(texts);
    for (const name of checks.keys()) refuseCircles(name, references, []);
    this.#checks = checks;
    this.unused = Object.keys(rules).filter((name) => !checks.has(name));
  }

  allows(credentials: Credentials, name: RuleName, target: Target): boolean {
    const evaluate = (rule: string): boolean => (this.#checks.get(rule) as Check)(credentials, target, evaluate);
    return evaluate(name);
  }

  /** @throws Denied in Neutron's words */
  enforce(credentials: Credentials, name: RuleName, target: Target): void {
    if (!this.allows(credentials, name, target)) throw new Denied(`rule:${name} is disallowed by policy`);
  }
}

/** What checks of a router's own rules are asked about. */
export function routerTarget({ projectId }: Pick<Router, 'projectId'>): Target {
  return { project_id: projectId, tenant_id: projectId };
}

/** What checks of a helper's rules are asked about: the parent's project, whatever the request says. */
export function helperTarget({ projectId }: Pick<Router, 'projectId'>): Target {
  return {
    project_id: projectId,
    tenant_id: projectId,
    'ext_parent:project_id': projectId,
    'ext_parent:tenant_id': projectId,
  };
}

/** Only rules that Pinhole asks for, and those that they name: a file may hold other services' too, with checks of theirs. */
function compileReachable(texts: ReadonlyMap<string, string>): { checks: Map<string, Check>; references: Map<string, string[]> } {
  const checks = new Map<string, Check>();
  const references = new Map<string, string[]>();
  const waiting = Object.keys(DEFAULT_RULES) as string[];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (checks.has(name)) continue;
    const text = texts.get(name);
    if (text === undefined) throw new InvalidInput(name, `Policy ${name} is named by another rule and stands nowhere.`);
    const { check, rules } = compileCheck(text, name);
    checks.set(name, check);
    references.set(name, rules);
    waiting.push(...rules);
  }
  return { checks, references };
}

function refuseCircles(name: string, references: ReadonlyMap<string, readonly string[]>, path: readonly string[]): void {
  if (path.includes(name) || path.length > MAX_DEPTH)
    throw new InvalidInput(name, `Policy ${name} goes in a circle: ${[...path, name].join(' → ')}.`);
  for (const next of references.get(name) ?? []) refuseCircles(next, references, [...path, name]);
}
