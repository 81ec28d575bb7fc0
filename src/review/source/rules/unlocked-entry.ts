import { grouped } from '../../../model/grouped.ts';
import type { Claim } from '../../finding.ts';
import { advice, at } from '../claims.ts';
import { calleeName, pathOf } from '../expressions.ts';
import type { Expr } from '../ir.ts';
import { decoratorOf, type FunctionInfo, ownMethod, type SourceModule } from '../module.ts';

const LOCKS = /synchroni[sz]ed/i;
const WRITES = /^(create|add|delete|remove|update|set|put|save|insert|touch|move|purge|reset|apply|sync|increment|replace)/i;
/** Fewer methods with the decorator are no custom. */
const CUSTOM = 3;

/**
 * Methods that change what a parameter names without the lock that their siblings take for the same parameter through a decorator.
 * @throws OutOfSteps
 */
export function unlockedEntries(module: SourceModule): Claim[] {
  return [...module.classes.values()].flatMap((cls) => {
    const methods = [...cls.methods.values()];
    const locked = methods.filter((method) => lockOf(method) !== null && WRITES.test(method.name ?? ''));
    if (locked.length < CUSTOM) return [];
    return methods.flatMap((method) => claimOf(module, method, { methods, locked }));
  });
}

function claimOf(
  module: SourceModule,
  method: FunctionInfo,
  { methods, locked }: { methods: readonly FunctionInfo[]; locked: readonly FunctionInfo[] },
): Claim[] {
  if (!isOpen(method) || isCovered(method, methods)) return [];
  const key = method.params.find((name) => isCustom(name, methods, locked));
  const write = key === undefined ? undefined : method.of('call').find((call) => WRITES.test((calleeName(call) ?? '').replace(/^_/, '')));
  const siblings = locked.filter(({ params }) => key !== undefined && params.includes(key));
  if (key === undefined || !write) return [];
  return [
    {
      line: method.node.line,
      endLine: method.node.endLine,
      symbol: method.symbol,
      claim: `\`${method.name}\` changes what \`${key}\` names without the lock that ${siblings
        .slice(0, 3)
        .map(({ name }) => `\`${name}\``)
        .join(', ')} take for it`,
      evidence: [
        at(module, write, 'the change, with no lock held'),
        ...siblings.slice(0, 3).map((one) => at(module, lockOf(one) as Expr, `\`${one.name}\` takes the lock`)),
      ],
      solution: advice(`Take the same lock: \`@${module.brief(lockOf(siblings[0] as FunctionInfo) as Expr)}\`.`),
      severity: 'high',
      confidence: 'likely',
    },
  ];
}

/** The decorator by which a method holds a lock; null: it has none. */
function lockOf(method: FunctionInfo): Expr | null {
  return decoratorOf(method, LOCKS) ?? null;
}

/** Whether others call a method that changes something and takes no lock itself. */
function isOpen(method: FunctionInfo): boolean {
  const name = method.name ?? '';
  if (lockOf(method) || !WRITES.test(name) || method.node.decorators.some((one) => /lock/i.test(pathOf(one) ?? ''))) return false;
  return !method
    .of('with')
    .some(({ items }) =>
      items.some(({ value }) => /lock|synchroni|mutex/i.test(pathOf(value.kind === 'call' ? value.callee : value) ?? '')),
    );
}

/** Whether a method runs under the lock of a caller, or leaves the change to one that takes the lock. */
function isCovered(method: FunctionInfo, methods: readonly FunctionInfo[]): boolean {
  const calls = method.of('call').some((call) => {
    const own = ownMethod(call, method.cls);
    return own !== null && (lockOf(own) !== null || own.of('call').some((inner) => lockIn(inner, own)));
  });
  return calls || methods.some((one) => one !== method && one.of('call').some((call) => ownMethod(call, one.cls) === method));
}

function lockIn(call: Parameters<typeof ownMethod>[0], method: FunctionInfo): boolean {
  const own = ownMethod(call, method.cls);
  return own !== null && lockOf(own) !== null;
}

/** Whether at least three methods with a parameter take the lock, and they are half of those that write. */
function isCustom(name: string, methods: readonly FunctionInfo[], locked: readonly FunctionInfo[]): boolean {
  if (/^(context|ctx|ctxt|self|args|kwargs|request|values)$/.test(name)) return false;
  const having = grouped(
    methods.filter((one) => WRITES.test(one.name ?? '')),
    (one) => (one.params.includes(name) ? ['having'] : []),
  );
  const careful = locked.filter(({ params }) => params.includes(name)).length;
  return careful >= CUSTOM && careful * 2 >= (having.get('having')?.length ?? 0);
}
