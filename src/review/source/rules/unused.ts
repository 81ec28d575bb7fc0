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
  title: 'a value that is kept and never read',
  why: 'What was computed is thrown away. Either it is left over, or its result, often a failure, should have been looked at.',
  remedy: 'Look at it, or do not keep it.',
  checks: 'local variables and imports, and where they are read',
  check(module, report) {
    for (const fn of module.functions) {
      if (fn === module.top || usesLocals(fn)) continue;
      for (const assign of fn.of('assign')) {
        const [target] = assign.targets;
        if (assign.targets.length !== 1 || target?.kind !== 'name' || assign.op !== '=' || assign.exported) continue;
        // What is not declared here belongs to a scope outside.
        if (module.language !== 'python' && assign.declared === null) continue;
        if (assign.declared === 'field' || assign.parent?.kind === 'class' || target.name.startsWith('_') || !assign.value) continue;
        if (isShared(fn, target.name) || isRead(module, fn, target.name)) continue;
        report({
          ...place(assign, fn),
          claim: `\`${target.name}\` is assigned and never read`,
          evidence: [at(module, assign, `the only place of \`${fn.symbol}\` that names \`${target.name}\``)],
          solution: advice(
            some(assign.value, ({ kind }) => kind === 'call')
              ? `Look at what the call returned, or call it without keeping \`${target.name}\`.`
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

/** Read anywhere in the function's text but where it is bound; types count, which are not in the tree. */
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
  // Who imports much more than they use does it for others, who import it from here.
  if (unused.length >= MANY_UNUSED && unused.length * 2 >= total) return;
  for (const { node, local, position } of unused) {
    const isWhole = !module.text(node).startsWith('from');
    report({
      line: position.line,
      endLine: position.line,
      symbol: null,
      claim: `\`${local}\` is imported and nothing in this file uses it`,
      evidence: [at(module, position, `the only place of the file that names \`${local}\``)],
      solution: advice('Remove the import, or say that it is there for its effect.'),
      severity: 'info',
      confidence: isWhole ? 'certain' : 'likely',
    });
  }
}

/** Names that are imported at the top of a file, and those of them that nothing else in it names. */
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
