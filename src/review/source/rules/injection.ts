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

/** Characters of a text that are examined to recognise its language. */
const MAX_TEXT = 2000;

/** Languages, recognised by the fixed parts of a text. */
const LANGUAGES: readonly Language[] = [
  {
    name: 'an iptables rule',
    cwe: 74,
    pattern:
      /(^|\s)--(dport|sport|dports|to-destination|to-source|to-ports|helper|ctstate|src-range|match-set)\s|(^|\s)-[dsp] \S.* -j [A-Z]{2}/,
    cure: 'Build the rule from typed values: check each one (protocol, port from 1 to 65535, known name) and pass it as a separate argument.',
  },
  {
    name: 'an nft rule',
    cwe: 74,
    pattern:
      /\b(tcp|udp) [ds]port\s|\bct (helper|state|zone)\s|\b(ip|ip6) [sd]addr\s|^(add|insert|delete|create) (rule|chain|table|set|element|map)\s/,
    cure: 'Check each value, and build the rule from typed values, as JSON or netlink attributes.',
  },
  {
    name: 'an SQL statement',
    cwe: 89,
    pattern: /^\s*(SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|DROP\s+TABLE|ALTER\s+TABLE)\s/is,
    cure: 'Pass the values as parameters of the statement.',
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
  title: 'a rule or statement built as text from unchecked values',
  why: 'A value that contains a space, a quote or a newline becomes part of the rule or statement itself. An attacker who chooses the value can add options to the rule, or further rules.',
  remedy: 'Pass values as arguments or parameters, or check each one against the allowed values first.',
  checks: 'firewall rules and SQL statements in text form, and the values in them',
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
          claim: `${language.name} is built as text from ${list(names)}, which \`${fn.symbol ?? 'this file'}\` does not check`,
          evidence: [
            at(module, node, `the text of ${language.name}`),
            ...distinct(module, open)
              .slice(0, 4)
              .map((value) => at(module, value, `\`${module.brief(value, 40)}\` is inserted unchecked`)),
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

/** Whether a value is the name of a table or column, for which SQL has no parameters. */
function isStructure(value: Expr): boolean {
  return /table|columns?$|fields?|f?names?$|schema|suffix|prefix/i.test(lastName(value) ?? '');
}

interface Composition {
  readonly node: Expr;
  /** The fixed characters, with a NUL for each value. */
  readonly fixed: string;
  readonly values: readonly Expr[];
}

/** Texts with values in them: templates, f-strings, `%`, `+` and `.format()`. */
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

/** Whether a value is a field of a parameter, or, for SQL, a parameter. */
function isFromOutside(fn: FunctionInfo, value: Expr, plain: boolean): boolean {
  // Placeholders of parameters, and names of tables kept in an object, come from the program itself.
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

/** Whether a condition, or a function with a name for checks, examines the value before. */
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
