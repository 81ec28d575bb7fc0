import { InvalidInput } from '../../model/errors.ts';

/** The principal, as checks see it. */
export interface Credentials {
  readonly roles: readonly string[];
  /** Attributes that a check may name on its left: `project_id`, `tenant_id`, `user_id`. */
  readonly attributes: Readonly<Record<string, string | null>>;
}

/** The object of the access: attributes that a check may name as `%(name)s`. */
export type Target = Readonly<Record<string, string | null>>;

/** A compiled check: whether the credentials may access the target. `rule` evaluates another rule by its name. */
export type Check = (credentials: Credentials, target: Target, rule: (name: string) => boolean) => boolean;

const MAX_TEXT = 4_096;
const TOKEN = /\s*(\(|\)|(?:%\([^)]*\)s|"[^"]*"|'[^']*'|[^\s()"'])+)/y;

/**
 * Compiles a check string of oslo.policy: `role:`, `rule:`, `attribute:%(target)s`, `'literal':%(target)s`, `@`, `!`, `and`, `or`,
 * `not` and parentheses. The empty string allows every principal. `http:` checks and the old lists of lists are refused.
 * @param name the rule's name, for messages
 * @returns the check, and the names of the rules that it refers to
 * @throws InvalidInput that says where the string stops making sense
 */
export function compileCheck(text: string, name: string): { check: Check; rules: string[] } {
  if (text.length > MAX_TEXT) throw bad(name, `is longer than ${MAX_TEXT} characters`);
  const parser = new Parser(tokenize(text, name), name);
  if (parser.atEnd) return { check: () => true, rules: [] };
  const check = parser.or();
  if (!parser.atEnd) throw bad(name, `has '${parser.next()}' where 'and', 'or' or the end is expected`);
  return { check, rules: parser.rules };
}

function tokenize(text: string, name: string): string[] {
  const tokens: string[] = [];
  const pattern = new RegExp(TOKEN);
  for (let at = 0; at < text.trimEnd().length; at = pattern.lastIndex) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) throw bad(name, `cannot be read at '${text.slice(at, at + 20)}'`);
    tokens.push(match[1] as string);
  }
  return tokens;
}

class Parser {
  readonly rules: string[] = [];
  readonly #tokens: readonly string[];
  readonly #name: string;
  #at = 0;

  constructor(tokens: readonly string[], name: string) {
    this.#tokens = tokens;
    this.#name = name;
  }

  get atEnd(): boolean {
    return this.#at === this.#tokens.length;
  }

  next(): string | undefined {
    return this.#tokens[this.#at++];
  }

  or(): Check {
    const parts = [this.#and()];
    while (this.#take('or')) parts.push(this.#and());
    return (credentials, target, rule) => parts.some((part) => part(credentials, target, rule));
  }

  #and(): Check {
    const parts = [this.#not()];
    while (this.#take('and')) parts.push(this.#not());
    return (credentials, target, rule) => parts.every((part) => part(credentials, target, rule));
  }

  #not(): Check {
    if (!this.#take('not')) return this.#single();
    const inner = this.#not();
    return (credentials, target, rule) => !inner(credentials, target, rule);
  }

  #single(): Check {
    const token = this.next();
    if (token === undefined) throw bad(this.#name, 'ends where a check is expected');
    if (token === '(') {
      const inner = this.or();
      if (this.next() !== ')') throw bad(this.#name, "lacks a ')'");
      return inner;
    }
    if (token === '@') return () => true;
    if (token === '!') return () => false;
    return this.#check(token);
  }

  #check(token: string): Check {
    const colon = token.indexOf(':');
    if (colon < 1) throw bad(this.#name, `has '${token}', which is no check. A check is like 'role:admin' or 'project_id:%(project_id)s'`);
    const [kind, match] = [token.slice(0, colon), token.slice(colon + 1)];
    switch (kind) {
      case 'rule':
        this.rules.push(match);
        return (_credentials, _target, rule) => rule(match);
      case 'role': {
        const wanted = match.toLowerCase();
        return ({ roles }, target) => roles.some((role) => role.toLowerCase() === fill(wanted, target));
      }
      case 'http':
      case 'https':
      case 'field':
        throw bad(this.#name, `has a '${kind}:' check, which Pinhole does not support`);
      default:
        return attributeCheck(kind, match);
    }
  }

  #take(word: string): boolean {
    if (this.#tokens[this.#at]?.toLowerCase() !== word) return false;
    this.#at++;
    return true;
  }
}

/** Compares an attribute of the principal, or a literal, with an attribute of the target. An absent attribute equals nothing. */
function attributeCheck(kind: string, match: string): Check {
  const literal = /^(?:'([^']*)'|"([^"]*)"|(True|False|None|\d+))$/.exec(kind);
  const fixed = literal?.[1] ?? literal?.[2] ?? literal?.[3];
  return ({ attributes }, target) => {
    const right = fill(match, target);
    const left = fixed ?? (Object.hasOwn(attributes, kind) ? attributes[kind] : null);
    return right !== null && left !== null && left === right;
  };
}

/** Replaces each `%(name)s` by the target's attribute. @returns null if the target lacks one of them */
function fill(text: string, target: Target): string | null {
  let isThere = true;
  const filled = text.replace(/%\(([^)]*)\)s/g, (_all, name: string) => {
    const value = Object.hasOwn(target, name) ? target[name] : null;
    if (value === null || value === undefined) isThere = false;
    return value ?? '';
  });
  return isThere ? filled : null;
}

function bad(name: string, problem: string): InvalidInput {
  return new InvalidInput(name, `Policy ${name} ${problem}.`);
}
