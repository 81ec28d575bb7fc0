import type { Cwe } from '../../cwe.ts';
import { list } from '../../words.ts';
import { localValue } from '../bindings.ts';
import { advice, at, place } from '../claims.ts';
import { argumentsOf, calleeName, mentions, pathOf, receiver, rootOf } from '../expressions.ts';
import { isGuarded } from '../flow.ts';
import type { Expr } from '../ir.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';
import { lastName } from '../vocabulary.ts';

interface Language {
  readonly name: string;
  readonly cwe: Cwe;
  readonly pattern: RegExp;
  readonly cure: string;
}

/** More of a text is not looked at to see what it is. */
const MAX_TEXT = 2000;

/** What a text is, by its fixed parts. */
const LANGUAGES: readonly Language[] = [
  {
    name: 'an iptables rule',
    cwe: 74,
    pattern:
      /(^|\s)--(dport|sport|dports|to-destination|to-source|to-ports|helper|ctstate|src-range|match-set)\s|(^|\s)-[dsp] \S.* -j [A-Z]{2}/,
    cure: 'Build the rule from typed values: check each (a protocol of a list, a port from 1 to 65535, a name of a table) and hand it over as an argument of its own.',
  },
  {
    name: 'an nft rule',
    cwe: 74,
    pattern:
      /\b(tcp|udp) [ds]port\s|\bct (helper|state|zone)\s|\b(ip|ip6) [sd]addr\s|^(add|insert|delete|create) (rule|chain|table|set|element|map)\s/,
    cure: 'Build the rule from typed values, as JSON or netlink attributes; check each value before.',
  },
  {
    name: 'an SQL statement',
    cwe: 89,
    pattern: /^\s*(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|DROP\s+TABLE|ALTER\s+TABLE)\s/is,
    cure: 'Hand the values over as parameters of the statement.',
  },
];

function languageOf(fixed: string): Language | undefined {
  const text = fixed.slice(0, MAX_TEXT);
  return LANGUAGES.find(({ pattern }) => pattern.test(text));
}

export const unvalidatedText: SourceRule = {
  id: 'unvalidated-text',
  cwe: 74,
  alsoCwes: [89],
  severity: 'medium',
  hint: /-j |--|port|addr|rule|chain|ct |select|insert|update|delete|drop|alter/i,
  title: 'a rule or statement that is put together as text from values that nothing checked',
  why: 'A value that carries a space, a quote or a newline becomes part of the rule or the statement itself: whoever chose it can add options to the rule, or a rule of their own.',
  remedy: 'Hand values over as arguments or parameters, or check each against what it may be on the way there.',
  checks: 'texts that are firewall rules or SQL, and what is put into them',
  check(module, report) {
    for (const fn of module.functions) {
      for (const { node, fixed, values } of compositions(fn)) {
        const language = languageOf(fixed);
        node.budget.spend(1 + (fixed.length >> 2));
        if (!language) continue;
        const open = values.filter((value) => isFromOutside(fn, value, language.cwe === 89) && !isChecked(fn, value));
        if (open.length === 0) continue;
        const names = open.map((value) => `\`${module.brief(value, 40)}\``);
        report({
          ...place(node, fn),
          claim: `${language.name} is put together as text from ${list(names)}, which nothing in \`${fn.symbol ?? 'this file'}\` checks`,
          evidence: [
            at(module, node, `the text of ${language.name}`),
            ...distinct(module, open)
              .slice(0, 4)
              .map((value) => at(module, value, `\`${module.brief(value, 40)}\` goes in as it came`)),
          ],
          solution: advice(language.cure),
          severity: language.cwe === 89 && !open.every(isStructure) ? 'high' : 'medium',
          confidence: 'likely',
          cwe: language.cwe,
        });
      }
    }
  },
};

function distinct(module: SourceModule, values: readonly Expr[]): Expr[] {
  return [...new Map(values.map((value) => [module.text(value), value])).values()];
}

/** Names of tables and columns, which no parameter of a statement can stand for. */
function isStructure(value: Expr): boolean {
  return /table|columns?$|fields?|f?names?$|schema|suffix|prefix/i.test(lastName(value) ?? '');
}

interface Composition {
  readonly node: Expr;
  /** The fixed characters, with a NUL for each value. */
  readonly fixed: string;
  readonly values: readonly Expr[];
}

function compositions(fn: FunctionInfo): Composition[] {
  const found: Composition[] = [];
  for (const node of fn.of('text')) {
    const isTagged = node.parent?.kind === 'call' && node.parent.isTag === true;
    if (node.parts.length > 0 && !isTagged) found.push({ node, fixed: node.value, values: node.parts });
  }
  for (const node of fn.of('binary')) {
    if (node.op === '%' && node.left.kind === 'text') found.push({ node, fixed: node.left.value, values: operands(node.right) });
    if (node.op === '+' && node.parent?.kind !== 'binary') {
      const parts = addends(node);
      const fixed = parts.map((part) => (part.kind === 'text' ? part.value : '\u0000')).join('');
      if (parts.some(({ kind }) => kind === 'text')) found.push({ node, fixed, values: parts.filter(({ kind }) => kind !== 'text') });
    }
  }
  for (const call of fn.of('call')) {
    const on = receiver(call);
    if (calleeName(call) === 'format' && on?.kind === 'text') {
      found.push({ node: call, fixed: on.value, values: argumentsOf(call) });
    }
  }
  return found;
}

function operands(right: Expr): Expr[] {
  if (right.kind === 'collection') return [...right.items];
  if (right.kind === 'dict') return right.entries.map(({ value }) => value);
  return [right];
}

function addends(node: Expr): Expr[] {
  return node.kind === 'binary' && node.op === '+' ? [...addends(node.left), ...addends(node.right)] : [node];
}

/** A field of something that was handed in; for SQL, anything that was handed in. */
function isFromOutside(fn: FunctionInfo, value: Expr, plain: boolean): boolean {
  // The sign that stands for a parameter, and the structure that an object keeps, are the program's own.
  if (plain && (/^(plch|placeholders?|paramstyle)$/i.test(lastName(value) ?? '') || (value.kind === 'attribute' && isStructure(value))))
    return false;
  const root = rootOf(value);
  if (root === null || value.kind === 'call')
    return (
      value.kind === 'call' &&
      /^(str|String)$/.test(calleeName(value) ?? '') &&
      value.args[0] !== undefined &&
      isFromOutside(fn, value.args[0], plain)
    );
  if (fn.params.includes(root)) return plain || value.kind !== 'name';
  if (value.kind !== 'name') return false;
  const source = localValue(fn, value);
  return source !== null && source.kind !== 'name' && isFromOutside(fn, source, plain);
}

const CHECKS =
  /valid|check|verify|assert|escape|quote|sanit|parse|ensure|int$|Number|IPNetwork|IPAddress|ip_network|ip_address|match|test|fullmatch|isdigit|in_enum|schema/i;

/** Whether something on the way looks at the value: a condition, or a function whose name says that it does. */
function isChecked(fn: FunctionInfo, value: Expr): boolean {
  const path = pathOf(value) ?? rootOf(value) ?? '';
  const source = value.kind === 'name' ? localValue(fn, value) : null;
  const paths = [path, source ? pathOf(source) : null].filter((one) => one !== null);
  if (paths.some((one) => isGuarded(value, one))) return true;
  return fn
    .of('call')
    .some(
      (call) =>
        call.start < value.start &&
        CHECKS.test(calleeName(call) ?? '') &&
        [...call.args, receiver(call)].some(
          (argument) =>
            argument !== null && paths.some((one) => mentions(argument, one) || one.startsWith(`${pathOf(argument) ?? '\u0000'}.`)),
        ),
    );
}
