import { bindingsOf } from '../bindings.ts';
import { advice, at, place } from '../claims.ts';
import { boundNames, calleeName, pathOf, rootOf } from '../expressions.ts';
import { exits, siblingsAfter } from '../flow.ts';
import type { Compare, Expr, If, Node, Stmt } from '../ir.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';

/** Names of values that select an action. */
const CHOOSES = /^_?((event|action|op|operation|command|cmd|message|msg|request|verb)(_?(type|name|kind|id))?|kind|method|method_name)$/i;

export const dispatchWithoutDefault: SourceRule = {
  id: 'dispatch-without-default',
  cwe: 478,
  severity: 'low',
  title: 'a dispatch without a default for unknown values',
  why: 'The code compares a value with the known ones and silently ignores any other. A new or misspelt kind of event is lost without a trace.',
  remedy: 'Add a default that raises an error, or counts and logs the value.',
  checks: 'chains of comparisons and switches over one value, and whether they have a default',
  check(module, report) {
    for (const fn of module.functions) {
      for (const node of fn.of('if')) {
        const chain = node.parent?.kind === 'if' && node.parent.otherwise?.[0] === node ? null : chainOf(node);
        if (!chain || !isDispatch(fn, chain.path, chain.branches.length) || goesOn(node)) continue;
        report({
          line: node.line,
          endLine: (chain.branches.at(-1) as If).endLine,
          symbol: fn.symbol,
          claim: `a value of \`${module.brief(chain.subject, 40)}\` other than ${chain.values.map((value) => `\`${module.brief(value, 30)}\``).join(', ')} is silently ignored`,
          evidence: [
            ...chain.branches.map((branch) => at(module, branch.test, 'compared')),
            { line: chain.branches.at(-1)?.endLine ?? null, fact: 'the chain ends without an `else`' },
          ],
          solution: advice(`Add an \`else\` that raises an error, or counts and logs the unknown \`${module.brief(chain.subject, 40)}\`.`),
          severity: 'low',
          confidence: 'certain',
        });
      }
      for (const node of fn.of('switch')) {
        const subject = pathOf(node.subject);
        if (subject === null || node.cases.some(({ tests }) => tests.length === 0) || !isOpen(module, fn, node.subject)) continue;
        if (node.cases.length < 2 || siblingsAfter(node).length > 0 || mayAnswerNothing(module, fn)) continue;
        report({
          ...place(node, fn),
          claim: `a value of \`${subject}\` that no case names is silently ignored`,
          evidence: [at(module, node, `${node.cases.length} cases and no default`)],
          solution: advice(`Add a default that throws, or counts and logs the unknown \`${subject}\`.`),
          severity: 'low',
          confidence: 'certain',
        });
      }
    }
  },
};

/** Characters of a return type that are examined. */
const MAX_TYPE = 1000;

/** Whether the return type allows null or undefined, which is then the answer for other values. */
function mayAnswerNothing(module: SourceModule, { node }: FunctionInfo): boolean {
  if (module.language === 'python') return false;
  const end = node.body[0]?.start ?? node.end;
  const head = module.lines.text.slice(Math.max(node.start, end - MAX_TYPE), end);
  return /\)\s*:\s*[^()]*\b(undefined|null)\b[^()]*\{\s*$/.test(head);
}

interface Chain {
  readonly subject: Expr;
  readonly path: string;
  readonly branches: readonly If[];
  readonly values: readonly Expr[];
}

/** The chain `if x == A … elif x == B …` without an `else`; null: it is no such chain. */
function chainOf(first: If): Chain | null {
  const branches: If[] = [];
  const values: Expr[] = [];
  let subject: string | null = null;
  for (let node: Stmt | undefined = first; node; ) {
    if (node.kind !== 'if' || node.test.kind !== 'compare' || !/^={2,3}$/.test(node.test.op)) return null;
    const path = pathOf(node.test.left);
    if (path === null || (subject !== null && subject !== path)) return null;
    subject = path;
    branches.push(node);
    values.push(node.test.right);
    if (node.otherwise === null) break;
    if (node.otherwise.length !== 1) return null;
    node = node.otherwise[0];
  }
  return subject === null ? null : { subject: (first.test as Compare).left, path: subject, branches, values };
}

/** Whether code after the chain may handle the other values. If all branches return, code after the enclosing statements counts too. */
function goesOn(node: If): boolean {
  if (siblingsAfter(node).length > 0) return true;
  for (let at: Node | null = allReturn(node) ? node.parent : null; at && at.kind !== 'function'; at = at.parent)
    if (siblingsAfter(at).length > 0) return true;
  return false;
}

function allReturn({ consequent, otherwise }: If): boolean {
  const [next] = otherwise ?? [];
  return exits(consequent) && (next?.kind !== 'if' || allReturn(next));
}

/** Whether a chain dispatches on a parameter: at least three branches, or two on a name that selects an action. */
function isDispatch(fn: FunctionInfo, subject: string, branches: number): boolean {
  const root = subject.split(/[.[]/)[0] ?? '';
  if (!fn.params.includes(root)) return false;
  const last = subject.split('.').at(-1) ?? '';
  return branches >= 3 || (branches >= 2 && (CHOOSES.test(last) || (last === 'type' && subject !== last)));
}

/** Whether the type of a value is open, so that the compiler cannot check that all cases are covered. */
function isOpen(module: SourceModule, fn: FunctionInfo, subject: Expr): boolean {
  const root = rootOf(subject);
  const parameter = fn.node.params.find(({ name }) => name === root);
  if (!parameter) return false;
  if (module.language === 'python') return subject.kind === 'name' || CHOOSES.test(pathOf(subject)?.split('.').at(-1) ?? '');
  return (
    (parameter.type !== null && /^(string|any|unknown|number)$/.test(parameter.type) && subject.kind === 'name') || parameter.type === 'any'
  );
}

type ValueType = 'number' | 'text';

export const mixedTypeComparison: SourceRule = {
  id: 'mixed-type-comparison',
  cwe: 1024,
  severity: 'medium',
  title: 'a comparison of a number with a string',
  why: 'In Python a number never equals a string, and an identity test with a literal depends on how the interpreter caches values. The branch is never taken, or only sometimes.',
  remedy: 'Convert one side where the value is read, and compare values, not identities.',
  checks: 'comparisons of two sides that have different known types',
  check(module, report) {
    for (const fn of module.functions) {
      for (const node of fn.of('compare')) {
        const left = typeOf(module, fn, node.left);
        const right = typeOf(module, fn, node.right);
        const isIdentity =
          module.language === 'python' &&
          /^is( not)?$/.test(node.op) &&
          [node.left, node.right].some((side) => side.kind === 'num' || side.kind === 'text');
        const differs = /^(==|!=|===|!==|<|>|<=|>=)$/.test(node.op) && left && right && left.type !== right.type;
        if (!isIdentity && !differs) continue;
        report({
          ...place(node, fn),
          claim: isIdentity
            ? `\`${module.brief(node)}\` compares identities, not values`
            : `\`${module.brief(node)}\` compares a ${left?.type} with a ${right?.type}: it is always ${/^!/.test(node.op) ? 'true' : 'false'}${/[<>]/.test(node.op) ? ', or an error' : ''}`,
          evidence: isIdentity
            ? [at(module, node, 'a literal on one side of `is`')]
            : [
                at(module, left?.from ?? node.left, `the left side is a ${left?.type}`),
                at(module, right?.from ?? node.right, `the right side is a ${right?.type}`),
              ],
          solution: advice(isIdentity ? 'Compare with `==`.' : 'Convert one side where the value is read.'),
          severity: 'medium',
          confidence: 'certain',
        });
      }
    }
  },
};

interface Typed {
  readonly type: ValueType;
  /** The expression from which the type follows. */
  readonly from: Expr;
}

/** The type of an expression, if a literal, a known function or the only assignment determines it. */
function typeOf(module: SourceModule, fn: FunctionInfo, node: Expr): Typed | null {
  if (node.kind === 'num') return { type: 'number', from: node };
  if (node.kind === 'text') return { type: 'text', from: node };
  if (node.kind === 'call') return callType(module, node);
  if (node.kind === 'index' && pathOf(node.object) === 'os.environ') return { type: 'text', from: node };
  if (node.kind === 'attribute' && /^process\.env$/.test(pathOf(node.object) ?? '')) return { type: 'text', from: node };
  if (node.kind !== 'name' || fn.params.includes(node.name)) return null;
  const assigned = bindingsOf(fn, node.name);
  const [only] = assigned;
  const rebound =
    fn.of('loop').some(({ target }) => target && boundNames([target]).includes(node.name)) ||
    fn.of('with').some(({ items }) => items.some(({ target }) => target && boundNames([target]).includes(node.name)));
  if (assigned.length !== 1 || rebound || only?.op !== '=' || only.targets[0]?.kind !== 'name' || !only.value || only.value.kind === 'name')
    return null;
  return typeOf(module, fn, only.value);
}

function callType(module: SourceModule, call: Expr & { kind: 'call' }): Typed | null {
  const path = pathOf(call.callee);
  if (module.language === 'python') {
    if (path !== null && /^(int|len|float|ord)$/.test(path)) return { type: 'number', from: call };
    if (path !== null && /^(str|repr|hex|input|os\.getenv)$/.test(path))
      return path === 'os.getenv' && call.args.length !== 1 ? null : { type: 'text', from: call };
    if (path === 'os.environ.get' && call.args.length === 1) return { type: 'text', from: call };
  } else if (path !== null && /^(Number|parseInt|parseFloat|Number\.parseInt|Number\.parseFloat|String)$/.test(path)) {
    return { type: path === 'String' ? 'text' : 'number', from: call };
  }
  if (
    call.callee.kind === 'attribute' &&
    /^(lower|upper|strip|rstrip|lstrip|decode|toLowerCase|toUpperCase|trim|toString)$/.test(calleeName(call) ?? '') &&
    call.args.length === 0
  )
    return { type: 'text', from: call };
  return null;
}
