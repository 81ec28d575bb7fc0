import type { Claim, Evidence } from '../../finding.ts';
import { advice, at, place } from '../claims.ts';
import { boundNames, isSelf, pathOf } from '../expressions.ts';
import { guardsAt, isGuarded, isWithin } from '../flow.ts';
import type { Assign, Attribute, Call, Expr, Node } from '../ir.ts';
import { type FunctionInfo, ownMethod, type SourceModule } from '../module.ts';
import { nothingIn } from '../project/facts.ts';
import { isAsserted, lookupOf } from '../project/lookups.ts';
import type { Use } from '../project/nullness.ts';
import type { Belief } from '../project/project.ts';
import type { Origin } from '../project/values.ts';
import type { View } from '../project/view.ts';
import type { SourceRule } from '../rule.ts';
import { usesBeforeStart } from './not-started.ts';

export const noneDereference: SourceRule = {
  id: 'none-dereference',
  cwe: 476,
  severity: 'medium',
  title: 'the result of a look-up used without a check for None',
  why: "A look-up returns None for a missing item, and the caller uses the result without a check. A missing item then raises an AttributeError in the middle of the caller's work, instead of being handled as 'not found'.",
  remedy: 'Check for None, raise a typed error in the look-up, or skip missing items.',
  checks: 'uses of results of look-ups in mappings and of functions that may return None',
  check(module, report, view) {
    for (const fn of module.functions) {
      const reported = new Set<Node | null>();
      for (const use of nothingIn(module, fn).uses) {
        const { node } = use.value.origin;
        // What TypeScript passes on, its compiler has checked.
        const isChecked = use.passed !== null && module.language !== 'python';
        const claim = use.caught || isChecked || reported.has(node) ? null : claimOf({ module, view, fn }, use);
        if (!claim) continue;
        reported.add(node);
        report(claim);
      }
      for (const found of usesBeforeStart(module, fn)) report(found);
      if (module.language === 'python') for (const found of listsOfMaybe(module, view, fn)) report(found);
    }
  },
};

/** Where a rule looks. */
interface Place {
  readonly module: SourceModule;
  readonly view: View;
  readonly fn: FunctionInfo;
}

/** Why a value may be None. */
interface Nothing {
  readonly why: string;
  readonly evidence: readonly Evidence[];
}

function claimOf({ module, view, fn }: Place, use: Use): Claim | null {
  const { origin } = use.value;
  const nothing = origin.node && !isAskedBefore(module, use.node, origin.node) ? reasonOf({ module, view, fn }, origin) : null;
  const end = nothing && use.passed ? view.usesArgument(fn, use.passed.call.callee, use.passed.as) : null;
  if (!nothing || !origin.node || (use.passed && !end)) return null;
  const name = module.brief(use.node, 60);
  return {
    ...place(use.node, fn),
    claim: `\`${name}\` ${USED[use.how]} without a check for ${module.language === 'python' ? 'None' : '`undefined`'}, which ${nothing.why}`,
    evidence: [
      at(module, origin.node, origin.kind === 'tested' ? 'compared here, and not left' : 'its origin'),
      ...nothing.evidence,
      at(module, use.node, 'its use, with no check on the way'),
      ...(end ? [view.wording(end, 'uses it there')] : []),
    ],
    solution: advice(`Handle the missing value before line ${use.node.line}: skip it, or raise an error that names the missing item.`),
    severity: 'medium',
    confidence: 'likely',
  };
}

const USED: Readonly<Record<Use['how'], string>> = {
  attribute: 'is used',
  index: 'is used',
  called: 'is called',
  iterated: 'is iterated over',
  unpacked: 'is unpacked',
  formatted: 'is formatted as a number',
  argument: 'is passed on',
};

/** Why a value may be nothing; null: nothing says so, or its callers do not believe it. */
function reasonOf({ module, view, fn }: Place, origin: Origin): Nothing | null {
  if (origin.kind === 'lookup') return { why: origin.why, evidence: [] };
  if (origin.kind === 'tested') return { why: `line ${origin.node.line} allows`, evidence: [] };
  if (origin.kind !== 'result' || isAsserted(module, origin.node)) return null;
  const reason = view.mayBeNothing(fn, origin);
  if (!reason || isKnownMember(module, origin.node) || !isBelieved(view.belief(fn, origin))) return null;
  return { why: `\`${reason.name}\` returns in some cases`, evidence: [view.wording(reason, 'returns None here')] };
}

/** Whether callers of a function count with nothing. If most do not, they know why it cannot be. */
function isBelieved({ tested, untested }: Belief): boolean {
  return untested <= 2 || tested * 2 >= untested;
}

/** `find(x).name` under a condition that asks `find(x)` itself. */
function isAskedBefore(module: SourceModule, use: Node, origin: Node): boolean {
  if (origin.kind !== 'call' && origin.kind !== 'attribute') return false;
  const text = module.text(origin);
  return guardsAt(use).some(({ test }) => module.text(test).includes(text));
}

/** `find(things, key)` under the condition `key in things`. */
function isKnownMember(module: SourceModule, call: Call | Attribute): boolean {
  if (call.kind !== 'call') return false;
  const given = new Set(call.args.map((argument) => module.text(argument)));
  return guardsAt(call).some(
    ({ test, holds }) =>
      holds && test.kind === 'compare' && test.op === 'in' && given.has(module.text(test.left)) && given.has(module.text(test.right)),
  );
}

/** Why the element of a list may be None. */
function maybeNone({ module, view, fn }: Place, value: Expr): Nothing | null {
  if (value.kind !== 'call') return null;
  const why = lookupOf(module, fn, value);
  if (why) return { why, evidence: [] };
  return reasonOf({ module, view, fn }, { kind: 'result', node: value, part: null });
}

/** Lists of look-ups, passed to a method of this class that uses each item without a check. */
function listsOfMaybe(module: SourceModule, view: View, fn: FunctionInfo) {
  return fn.of('comprehension').flatMap((node) => {
    const [element] = node.elements;
    const nothing = node.form !== 'dict' && element ? maybeNone({ module, view, fn }, element) : null;
    const assign = node.parent;
    if (!nothing || !element || assign?.kind !== 'assign') return [];
    const asked = node.clauses.some(({ conditions }) => conditions.some((test) => module.text(test).includes(module.text(element))));
    const [name] = boundNames(assign.targets);
    const handed = !asked && name !== undefined ? usedByMethod(fn, name, assign) : null;
    if (!handed) return [];
    return [
      {
        ...place(node, fn),
        claim: `\`${name}\` can hold None, which ${nothing.why}, and \`${handed.method.name}\` uses each item without a check`,
        evidence: [
          at(module, element, 'looks each item up, with None for a missing one'),
          ...nothing.evidence,
          at(module, handed.call, `passed to \`${handed.method.name}\``),
          at(module, handed.use, 'used there without a check'),
        ],
        solution: advice('Look each item up once, leave out None, and log the missing ones.'),
        severity: 'medium' as const,
        confidence: 'likely' as const,
      },
    ];
  });
}

function usedByMethod(fn: FunctionInfo, name: string, assign: Assign): { call: Call; method: FunctionInfo; use: Node } | null {
  for (const call of fn.of('call')) {
    const method = call.start > assign.end ? ownMethod(call, fn.cls) : null;
    const parameter = method?.params[call.args.findIndex((argument) => argument.kind === 'name' && argument.name === name)];
    if (!method || parameter === undefined) continue;
    for (const loop of method.of('loop')) {
      const item = loop.iter && pathOf(loop.iter) === parameter && loop.target?.kind === 'name' ? loop.target.name : null;
      const use =
        item !== null
          ? method.of('attribute').find((node) => isWithin(node, loop) && pathOf(node.object) === item && !isSelf(node.object))
          : undefined;
      if (use && item !== null && !isGuarded(use, item)) return { call, method, use };
    }
  }
  return null;
}
