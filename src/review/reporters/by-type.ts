import { type Pillar, typeName } from '../cwe.ts';
import type { Finding, RuleInfo } from '../finding.ts';
import { findingsOf, notTried, type Report } from '../report.ts';
import { ALL_RULES, isChosen } from '../rules.ts';
import { noteLines, summary } from './summary.ts';
import { hanging, lineText, plural, printable, wrap } from './text.ts';

/** Text for terminals: defect type by defect type, its findings, or what was checked. Lines are wrapped at 80 characters. */
export function byType(report: Report): string {
  const lines = [...wrap(`Reviewed by defect type: ${summary(report)}.`, 80), ''];
  report.types.forEach((type, index) => {
    const found = findingsOf(report, type);
    lines.push(...hanging(`${String(index + 1).padStart(2)}.  `, `CWE-${type} (${typeName(type)}):`), '');
    const verdict = verdictOf(report, type, found);
    if (verdict !== null) lines.push(...hanging('     * ', verdict), ...(found.length > 0 ? [''] : []));
    for (const finding of found) lines.push(...findingLines(finding, report.subjects.length > 1));
    lines.push('');
  });
  const notes = noteLines(report);
  if (notes.length > 0) lines.push('Notes:', '', ...notes.flatMap((note) => hanging('     * ', note)), '');
  return printable(`${lines.join('\n').trimEnd()}\n`);
}

function findingLines(finding: Finding, many: boolean): string[] {
  const where = `${many ? `${finding.subject}, ` : ''}${many ? lineText(finding).toLowerCase() : lineText(finding)}`;
  const cwe = finding.cwe === finding.pillar ? '' : ` CWE-${finding.cwe}`;
  return [
    ...hanging(
      '     * ',
      `${where}${finding.symbol ? ` (${finding.symbol})` : ''}: ${finding.claim}. [${finding.rule}${cwe}, ${finding.severity}, ${finding.confidence}]`,
    ),
    ...finding.evidence.flatMap(({ line, fact }) => hanging(line === null ? '       - ' : `       ${String(line).padStart(5)}  `, fact)),
    ...hanging('       → ', finding.solution.text),
    ...(finding.solution.diff?.split('\n').map((line) => `         ${line}`) ?? []),
    '',
  ];
}

/**
 * The sentence about a type beside its findings: which rules did not finish, or, for a type without findings, what was checked;
 * null: none is needed.
 */
export function verdictOf(report: Report, type: Report['types'][number], found: readonly Finding[]): string | null {
  const unfinished = report.subjects.flatMap(({ name, unfinished: ids }) => {
    const rules = ids.filter((id) => ALL_RULES.some(({ rule }) => rule.id === id && isOfType(rule, type)));
    return rules.length > 0 ? [`${rules.join(', ')} in ${name}`] : [];
  });
  if (unfinished.length > 0) return `Not finished: ${unfinished.join('; ')}. There may be more defects.`;
  return found.length === 0 ? clean(report, type) : null;
}

/** Whether a rule can report a type. */
function isOfType({ cwe, alsoCwes = [] }: RuleInfo, type: Report['types'][number]): boolean {
  return [cwe, ...alsoCwes].some((one) => isChosen([type], one));
}

/** The sentence about a type without findings. `Not checked` is not `clean`: no rule of the type is for these subjects. */
function clean(report: Report, type: number): string {
  const families = new Set(report.subjects.map(({ family }) => family));
  const checks = ALL_RULES.filter(
    ({ family, rule }) =>
      (families.has(family) || (family === 'ruleset' && families.has('configuration'))) && isChosen([type as Pillar], rule.cwe),
  ).map(({ rule }) => rule.checks);
  if (checks.length === 0) return 'Not checked: no rule of this type applies to the reviewed subjects.';
  const gaps = notTried(report).length;
  if (gaps > 0)
    return `No finding in what was tried. ${plural(gaps, 'part')} of the subjects ${gaps === 1 ? 'was' : 'were'} not: see the notes.`;
  return `Clean. Checked: ${checks.join('; ')}.`;
}
