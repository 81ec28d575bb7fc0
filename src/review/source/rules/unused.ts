import { advice, at, place } from '../claims.ts';
import { some } from '../expressions.ts';
import type { Import, Position } from '../ir.ts';
import { countWord, type FunctionInfo, type SourceModule } from '../module.ts';
import type { SourceRule } from '../rule.ts';

const MANY_UNUSED = 4;

export const unusedBinding: SourceRule = {
  id: 'unused-binding',
  cwe: 563,
  severity: 'low',
  title: 'a variable or import that is never used',
  why: 'The value is discarded. Either the code is a leftover, or the result, often an error, should have been checked.',
  remedy: 'Use the value, or remove the variable or import.',
  checks: 'local variables and imports, and their uses',
  check(module, report) {
    for (const fn of module.functions) {
      if (fn === module.top || usesLocals(fn)) continue;
      for (const assign of fn.of('assign')) {
        const [target] = assign.targets;
        if (assign.targets.length !== 1 || target?.kind !== 'name' || assign.op !== '=' || assign.exported) continue;
        // A variable that is not declared here belongs to an outer scope.
        if (module.language !== 'python' && assign.declared === null) continue;
        if (assign.declared === 'field' || assign.parent?.kind === 'class' || target.name.startsWith('_') || !assign.value) continue;
        if (isShared(fn, target.name) || isRead(module, fn, target.name)) continue;
        report({
          ...place(assign, fn),
          claim: `\`${target.name}\` is assigned and never read`,
          evidence: [at(module, assign, `the only mention of \`${target.name}\` in \`${fn.symbol}\``)],
          solution: advice(
            some(assign.value, ({ kind }) => kind === 'call')
              ? `Check the result of the call, or remove \`${target.name}\` and keep the call.`
              : `Remove \`${target.name}\`.`,
          ),
          severity: 'low',
          confidence: 'certain',
        });
      }
    }
    if (module.language === 'python' && !/__init__\.py$/.test(module.path)) unusedImports(module, report);
  },
};

function usesLocals(fn: FunctionInfo): boolean {
  return fn.deep('call').some((call) => call.callee.kind === 'name' && /^(locals|vars|eval|exec)$/.test(call.callee.name));
}

function isShared(fn: FunctionInfo, name: string): boolean {
  return (
    fn.deep('global').some(({ names }) => names.includes(name)) ||
    (fn.outer !== null && (isNamedIn(fn.outer, name) || fn.outer.params.includes(name)))
  );
}

function isNamedIn(fn: FunctionInfo, name: string): boolean {
  return fn.ownCount(name) > 0 || (fn.outer !== null && isNamedIn(fn.outer, name));
}

/** Whether the text of the function uses a name anywhere but where it is bound. Type annotations count; they are not in the tree. */
function isRead(module: SourceModule, fn: FunctionInfo, name: string): boolean {
  if (fn.count(name) > 1) return true;
  if (module.occurrences(name, 2) < 2) return false;
  const occurrences = module.text(fn.node).match(new RegExp(`(?<![\\w$])${name.replace('$', '\\$')}(?![\\w$])`, 'g'))?.length ?? 0;
  return occurrences > 1;
}

interface Imported {
  readonly node: Import;
  readonly local: string;
  readonly position: Position;
}

function unusedImports(module: SourceModule, report: Parameters<SourceRule['check']>[1]): void {
  const { unused, total } = importsOf(module);
  // A file with many unused imports re-exports them.
  if (unused.length >= MANY_UNUSED && unused.length * 2 >= total) return;
  for (const { node, local, position } of unused) {
    const isWhole = !module.text(node).startsWith('from');
    report({
      line: position.line,
      endLine: position.line,
      symbol: null,
      claim: `\`${local}\` is imported and never used in this file`,
      evidence: [at(module, position, `the only mention of \`${local}\` in the file`)],
      solution: advice('Remove the import, or state in a comment that it is needed for its side effect.'),
      severity: 'info',
      confidence: isWhole ? 'certain' : 'likely',
    });
  }
}

/** Imports at the top of a file, and those whose name occurs nowhere else. */
function importsOf(module: SourceModule): { unused: readonly Imported[]; total: number } {
  const unused: Imported[] = [];
  let total = 0;
  for (const node of module.top.of('import')) {
    total += node.names.length;
    if (node.parent !== module.top.node || node.module === '__future__' || /noqa|unused-import|pylint/.test(module.lines.textOf(node.line)))
      continue;
    for (const { local, imported, position } of node.names) {
      if (imported === '*' || imported === local + local || local === '_') continue;
      if (imported === null && node.module.includes('.') && module.brief(node).includes(' as ') === false) continue;
      const own = countWord(module.text(node), local);
      if (module.occurrences(local, own + 1) <= own) unused.push({ node, local, position });
    }
  }
  return { unused, total };
}
