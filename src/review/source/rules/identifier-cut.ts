import { lookUp } from '../../../model/look-up.ts';
import { lastValue } from '../bindings.ts';
import { advice, at, place } from '../claims.ts';
import { boundNames, calleeName, mentions, receiver, some } from '../expressions.ts';
import { guardsAt, isWithin } from '../flow.ts';
import type { Expr, Node } from '../ir.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';
import { isLogging, lastName } from '../vocabulary.ts';

/** Names of values that are unique. Truncated ones may collide. */
const UNIQUE = /(^|_)(id|uuid|guid|ident|identifier)$|Id$|Uuid$|ID$|^name$|_name$|Name$/;
const MAKES_NAME = /name|chain|device|iface|interface|prefix|label|tag|table|set_?id|key/i;
/** Names of ids, which are usually UUIDs. */
const HEXADECIMAL = /id$/i;
/** This many hexadecimal digits of a UUID (64 bits) make collisions negligible. */
const ENOUGH = 16;

/** Values of other projects' constants, with their definitions. */
const KNOWN_LIMITS: Readonly<Record<string, { readonly value: number; readonly source: string }>> = {
  MAX_IPTABLES_CHAIN_LEN_WRAP: { value: 11, source: 'neutron_lib/constants.py' },
  MAX_IPTABLES_CHAIN_LEN_NOWRAP: { value: 28, source: 'neutron_lib/constants.py' },
  DEVICE_NAME_MAX_LEN: { value: 15, source: 'neutron_lib/constants.py' },
  IFNAMSIZ: { value: 16, source: 'linux/if.h' },
};

export const identifierCut: SourceRule = {
  id: 'identifier-cut',
  cwe: 694,
  severity: 'medium',
  hint: /:\s*[\w.]|slice|substr/,
  title: 'an identifier truncated to a maximum length',
  why: 'A name is built from an id and truncated. Two ids with the same beginning get the same name, so an operation on one object can overwrite or delete the other.',
  remedy: 'Choose names that fit, or use a sufficiently long hash of the whole id. Refuse a name that another object has.',
  checks: 'slices of ids that are used as names',
  check(module, report) {
    for (const fn of module.functions) {
      for (const cut of cuts(fn)) {
        const id = identifierIn(fn, cut.value);
        if (!id || isShownOnly(cut.node) || isFlag(cut.node) || isOfItself(module, cut)) continue;
        const target = namedBy(fn, cut.node);
        if (target === null) continue;
        const limit = lengthOf(module, cut.to);
        if (!limit && !isLimit(cut.to)) continue;
        const prefix = prefixLength(module, cut.value);
        if (limit && limit.value - (prefix ?? 0) >= ENOUGH) continue;
        const kept = limit && prefix !== null ? limit.value - prefix : null;
        report({
          ...place(cut.node, fn),
          claim: `${target} is \`${module.brief(cut.value, 60)}\` truncated to ${limit ? `${limit.value} characters` : `\`${module.brief(cut.to, 40)}\``}: ids with the same beginning share it`,
          evidence: [
            at(module, cut.node, limit?.source ? `truncated to ${limit.value} (${limit.source})` : 'truncated here'),
            at(module, id, `\`${module.brief(id, 40)}\`, which distinguishes the objects`),
            ...(kept !== null && prefix !== null && prefix > 0
              ? [{ line: null, fact: `the prefix takes ${prefix} of the ${limit?.value} characters: ${kept} are left of the id` }]
              : []),
            ...(kept !== null && kept > 0 && HEXADECIMAL.test(lastName(id) ?? '')
              ? [
                  {
                    line: null,
                    fact: `${kept} hexadecimal digits are ${count(16 ** kept)} names: among ${count(birthday(16 ** kept))} of them, two collide with a probability of one half`,
                  },
                ]
              : []),
          ],
          solution: advice(
            'Use the whole id if it fits, allocate names from a table, or use a hash of the whole id; refuse a name that is taken.',
          ),
          severity: 'medium',
          confidence: 'certain',
        });
      }
    }
  },
};

function count(value: number): string {
  return value < 1e15 ? value.toLocaleString('en') : value.toExponential(1);
}

/** Number of random names among which two collide with probability one half (birthday bound). */
function birthday(names: number): number {
  return Math.ceil(1.1774 * Math.sqrt(names));
}

interface Cut {
  readonly node: Node & Expr;
  readonly value: Expr;
  readonly to: Expr;
}

/** Whether the limit depends on the value itself: then a suffix of known length is removed. */
function isOfItself(module: SourceModule, { value, to }: Cut): boolean {
  return module.text(to).includes(module.text(value));
}

function cuts(fn: FunctionInfo): Cut[] {
  const slices = fn
    .of('slice')
    .flatMap((node): Cut[] => (node.to && isStart(node.from) && !isNegative(node.to) ? [{ node, value: node.object, to: node.to }] : []));
  const calls = fn.of('call').flatMap((node): Cut[] => {
    const [from, to] = node.args;
    const on = receiver(node);
    if (!/^(slice|substring|substr)$/.test(calleeName(node) ?? '') || !on || !from || !to || !isStart(from) || isNegative(to)) return [];
    return [{ node, value: on, to }];
  });
  return [...slices, ...calls];
}

function isStart(from: Expr | null): boolean {
  return from === null || (from.kind === 'num' && from.value === 0);
}

function isNegative(to: Expr): boolean {
  return (to.kind === 'other' && to.form.includes('-')) || (to.kind === 'other' && to.form === 'unary_operator');
}

/** The id in a truncated value; null: there is none, or it is hashed, which spreads the differences. */
function identifierIn(fn: FunctionInfo, value: Expr): Expr | null {
  if (some(value, (node) => node.kind === 'call' && /hash|digest|sha\d+|md5|encode|crc/i.test(calleeName(node) ?? ''))) return null;
  let found: Expr | null = null;
  some(value, (node) => {
    const name = node.kind === 'name' || node.kind === 'attribute' ? node.name : null;
    if (name !== null && UNIQUE.test(name) && !/[A-Z]{3}/.test(name)) found = node as Expr;
    return found !== null;
  });
  const joins =
    value.kind === 'binary' ||
    value.kind === 'text' ||
    (value.kind === 'call' && /^(format|join|replace|str|String)$/.test(calleeName(value) ?? ''));
  if (found || joins || value.kind !== 'name') return found;
  const given = lastValue(fn, value.name, value);
  return given?.kind === 'binary' ? identifierIn(fn, given) : null;
}

/** Whether the result is only shown to users, so that collisions do no harm. */
function isShownOnly(node: Node): boolean {
  for (let up = node.parent; up; up = up.parent) {
    if (up.kind === 'call' && (isLogging(up) || /error|exception|warn|print|write|describe|show/i.test(calleeName(up) ?? ''))) return true;
    if (up.kind === 'raise') return true;
    if (up.kind === 'compare') return true;
    if (up.kind === 'function') return false;
  }
  return false;
}

function isFlag(node: Node): boolean {
  return node.parent?.kind === 'compare' || guardsAt(node).some(({ test }) => isWithin(node, test));
}

/** What the result becomes the name of, in words; null: nothing. */
function namedBy(fn: FunctionInfo, node: Node): string | null {
  for (let at: Node = node, up = node.parent; up && at.kind !== 'function'; at = up, up = up.parent) {
    if (up.kind === 'assign') {
      const [name] = boundNames(up.targets);
      return name !== undefined && MAKES_NAME.test(name) ? `\`${name}\`` : null;
    }
    if (up.kind === 'return') return fn.name !== null && MAKES_NAME.test(fn.name) ? `what \`${fn.name}\` returns` : null;
    if (up.kind === 'expression') return null;
  }
  return null;
}

/** Whether an expression is a maximum length, by its name, and not the position of a character. */
function isLimit(to: Expr): boolean {
  if (to.kind === 'binary') return isLimit(to.left) || isLimit(to.right);
  return (to.kind === 'name' || to.kind === 'attribute') && /len|max|limit|size|width/i.test(to.name);
}

function lengthOf(module: SourceModule, to: Expr): { value: number; source: string | null } | null {
  if (to.kind === 'num') return { value: to.value, source: null };
  const name = to.kind === 'attribute' || to.kind === 'name' ? to.name : null;
  if (name === null) return null;
  const own = module.constant(name);
  if (own?.kind === 'num') return { value: own.value, source: null };
  return lookUp(KNOWN_LIMITS, name) ?? null;
}

/** Number of characters before the id; null: unknown. */
function prefixLength(module: SourceModule, value: Expr): number | null {
  if (value.kind === 'binary' && value.op === '+') return constantText(module, value.left)?.length ?? null;
  if (value.kind === 'text') return value.parts.length === 1 ? (value.value.split('\u0000')[0]?.length ?? null) : null;
  return value.kind === 'name' || value.kind === 'attribute' ? 0 : null;
}

function constantText(module: SourceModule, node: Expr): string | null {
  if (node.kind === 'text' && node.parts.length === 0) return node.value;
  if (node.kind === 'binary' && node.op === '+') {
    const left = constantText(module, node.left);
    const right = constantText(module, node.right);
    return left === null || right === null ? null : left + right;
  }
  const constant = node.kind === 'name' ? module.constant(node.name) : null;
  return constant && !mentions(constant, (node as { name: string }).name) ? constantText(module, constant) : null;
}
