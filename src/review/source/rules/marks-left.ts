import type { Claim } from '../../finding.ts';
import { advice, at, place } from '../claims.ts';
import { calleeName, receiver, selfAttribute, some } from '../expressions.ts';
import { finalizerAround, guardingTry, siblingsAfter } from '../flow.ts';
import type { Call, Node, Stmt } from '../ir.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';
import { isLogging } from '../vocabulary.ts';

/**
 * Marks such as `self.busy.add(x)` that the end of the same block takes away, `self.busy.remove(x)`, with work between that can
 * throw. After a failure the mark stays, and the item counts as being worked on for ever. @throws OutOfSteps
 */
export function marksLeft(module: SourceModule, fn: FunctionInfo): Claim[] {
  if (!fn.cls) return [];
  return fn.of('expression').flatMap((set) => {
    const mark = markOf(set, /^(add|append)$/);
    if (!mark) return [];
    const text = (call: Call) => call.args.map((one) => module.text(one)).join();
    const after = siblingsAfter(set);
    const end = after.findIndex((one) => {
      const taken = markOf(one, /^(delete|remove|discard)$/);
      return taken !== null && taken.attribute === mark.attribute && text(taken.call) === text(mark.call);
    });
    const taken = after[end];
    const risk = taken && end > 0 ? riskIn(after.slice(0, end)) : null;
    if (!taken || !risk || finalizerAround(set) || !isAsked(fn, mark.attribute)) return [];
    const path = module.brief(mark.call.callee).replace(/\.\w+$/, '');
    return [
      {
        ...place({ line: set.line, endLine: taken.endLine }, fn),
        claim: `\`${path}\` keeps its mark if \`${module.brief(risk, 50)}\` throws: the item counts as being worked on for ever`,
        evidence: [
          at(module, set, 'sets the mark'),
          at(module, risk, 'can leave the function before the mark is taken away'),
          at(module, taken, 'takes it away, outside of a `finally`'),
        ],
        solution: advice('Take the mark away in a `finally`.'),
        severity: 'high' as const,
        confidence: 'certain' as const,
      },
    ];
  });
}

function markOf(node: Stmt, names: RegExp): { call: Call; attribute: string } | null {
  const call = node.kind === 'expression' && node.expr.kind === 'call' ? node.expr : null;
  const attribute = call && names.test(calleeName(call) ?? '') ? selfAttribute(receiver(call)) : null;
  return call && attribute !== null && call.args.length === 1 ? { call, attribute } : null;
}

/** Whether the class asks for the mark somewhere: then a mark that stays keeps something from happening. */
function isAsked(fn: FunctionInfo, attribute: string): boolean {
  const asks = (node: Node) =>
    (node.kind === 'call' && /^(has|includes)$/.test(calleeName(node) ?? '') && selfAttribute(receiver(node)) === attribute) ||
    (node.kind === 'compare' && /in$/.test(node.op) && selfAttribute(node.right) === attribute);
  return [...(fn.cls?.methods.values() ?? [])].some((method) => method.of('call').some(asks) || method.of('compare').some(asks));
}

/** What can leave the statements with an exception or a `return`, past the `try` statements among them; null: nothing can. */
function riskIn(statements: readonly Stmt[]): Node | null {
  let found: Node | null = null;
  for (const statement of statements) {
    some(statement, (node) => {
      const isRisk = node.kind === 'raise' || node.kind === 'return' || (node.kind === 'call' && !isHarmless(node));
      const around = isRisk ? guardingTry(node) : null;
      if (isRisk && (!around || around.start < statement.start) && !isInFunction(node, statement)) found ??= node;
      return found !== null;
    });
  }
  return found;
}

function isInFunction(node: Node, statement: Stmt): boolean {
  for (let at: Node | null = node; at && at !== statement; at = at.parent) if (at.kind === 'function') return true;
  return false;
}

function isHarmless(call: Call): boolean {
  return (
    isLogging(call) || /^(len|str|int|String|Number|has|get|hasOwnProperty|info|debug|warn|error|format|now)$/.test(calleeName(call) ?? '')
  );
}
