import type { Claim } from '../../finding.ts';
import { advice, at, place } from '../claims.ts';
import { isConstant, selfAttribute } from '../expressions.ts';
import { functionOf, guardingTry, isGuarded } from '../flow.ts';
import type { Assign, Expr } from '../ir.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';

const ENDS = /^(stop|close|shutdown|shut_down|disconnect|destroy|dispose|teardown|tear_down|terminate|__exit__)$/;
const BEGINS = /^_?#?(start|connect|open|listen|setup|set_up|run|init|initiali[sz]e|launch|__enter__)/;

/**
 * Uses of an attribute in the method that ends an object, although only the method that begins it assigns the attribute: an object
 * that never began, or whose begin failed, cannot end. @throws OutOfSteps
 */
export function usesBeforeStart(module: SourceModule, fn: FunctionInfo): Claim[] {
  if (!fn.cls || !ENDS.test(fn.name ?? '')) return [];
  const found = new Map<string, Claim>();
  for (const node of [...fn.deep('attribute'), ...fn.deep('index')]) {
    const attribute = selfAttribute(node.object);
    if (attribute === null || node.optional || found.has(attribute)) continue;
    const start = startOf(module, fn, attribute);
    if (!start || guardingTry(node) || isAsked(fn, attribute, node.object)) continue;
    const path = module.text(node.object);
    found.set(attribute, {
      ...place(node, fn),
      claim: `\`${path}\` is used without a check for ${module.language === 'python' ? 'None' : '`undefined`'}, which it is until \`${functionOf(start)?.name}\` has run`,
      evidence: [
        at(module, start, `only \`${functionOf(start)?.name}\` assigns it`),
        at(module, node, 'used here, with no check before it'),
      ],
      solution: advice(`Check \`${path}\` first: \`${fn.name}\` is also called if the start failed or never happened.`),
      severity: 'medium',
      confidence: 'likely',
    });
  }
  return [...found.values()];
}

/** The assignment in a method that begins the object, if no other gives the attribute a value; null otherwise. */
function startOf(module: SourceModule, fn: FunctionInfo, attribute: string): Assign | null {
  const assigned = fn.cls?.attributes.get(attribute) ?? [];
  module.spend(assigned.length);
  const valued = assigned.filter(({ value }) => value && !isConstant(value, 'none'));
  const isNamed = valued.every((one) => BEGINS.test(functionOf(one)?.name ?? '') && functionOf(one)?.name !== 'initialize_options');
  const isEmptyFirst =
    module.language === 'python'
      ? assigned.some((one) => isConstant(one.value, 'none') && functionOf(one)?.name === '__init__')
      : assigned.some((one) => one.declared === 'field' && (one.value === null || isConstant(one.value, 'none')));
  return valued.length > 0 && isNamed && isEmptyFirst ? (valued[0] as Assign) : null;
}

/** Whether the method asks for the attribute before: in a condition, or through `?.`, though not for this use. */
function isAsked(fn: FunctionInfo, attribute: string, use: Expr): boolean {
  const path = `${fn.cls && use.kind === 'attribute' && use.object.kind === 'name' ? use.object.name : 'self'}.${attribute}`;
  return (
    isGuarded(use, path) ||
    fn.of('assign').some((one) => one.start < use.start && one.targets.some((target) => selfAttribute(target) === attribute))
  );
}
