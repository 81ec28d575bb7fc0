import type { Claim } from '../../finding.ts';
import { advice, at, place } from '../claims.ts';
import type { Call, Stmt } from '../ir.ts';
import type { FunctionInfo, SourceModule } from '../module.ts';

/** Exceptions that are made as a statement of their own, and so neither raised nor kept. @throws OutOfSteps */
export function droppedExceptions(module: SourceModule, fn: FunctionInfo): Claim[] {
  const word = module.language === 'python' ? 'raise' : 'throw';
  const made = [
    ...fn.of('expression').map(({ expr }) => expr),
    ...(module.language === 'python' ? fn.of('return').flatMap(({ value }) => value ?? []) : []),
  ];
  return made.flatMap((expr) => {
    const name = expr.kind === 'call' ? exceptionName(module, expr) : null;
    const isReturned = expr.parent?.kind === 'return';
    if (name === null || (isReturned && !isLastResort(fn, expr.parent as Stmt))) return [];
    return [
      {
        ...place(expr, fn),
        claim: `\`${name}\` is made and ${isReturned ? 'returned like a result' : 'dropped'}: nothing raises it`,
        evidence: [
          at(module, expr, `no \`${word}\` before it`),
          { line: expr.line, fact: 'the caller continues as if the operation had succeeded' },
        ],
        solution: advice(`Write \`${word}\` before it.`),
        severity: 'medium' as const,
        confidence: 'certain' as const,
      },
    ];
  });
}

/** The name of the exception class that a call makes an instance of; null: it is none, as far as the name tells. */
function exceptionName(module: SourceModule, call: Call): string | null {
  const { callee } = call;
  const name = callee.kind === 'name' ? callee.name : callee.kind === 'attribute' ? callee.name : '';
  if (!/^[A-Z]\w*(Error|Exception)$/.test(name)) return null;
  return module.language === 'python' || call.isNew ? name : null;
}

/** Whether other `return`s of the function give values of another kind: then an exception is no result that callers expect. */
function isLastResort(fn: FunctionInfo, node: Stmt): boolean {
  const others = fn.of('return').filter((one) => one !== node);
  if (/error|exception|fail|exc|make|build|create|wrap|convert|translate|map|from|to/i.test(fn.name ?? '')) return false;
  return (
    others.length > 0 &&
    others.every(({ value }) => (value !== null && /^(text|binary|collection|dict|num)$/.test(value.kind)) || value?.kind === 'name')
  );
}
