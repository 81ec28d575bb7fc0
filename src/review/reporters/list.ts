import { typeName } from '../cwe.ts';
import type { Report } from '../report.ts';
import { ALL_RULES } from '../rules.ts';
import { noteLines, summary } from './summary.ts';
import { hanging, lineText, printable, wrap } from './text.ts';

/** Text for terminals: a numbered list of findings with line, defect, evidence and solution. Lines are wrapped at 80 characters. */
export function list(report: Report): string {
  const lines = [...wrap(`${summary(report)}.`, 80), ''];
  const many = report.subjects.length > 1;
  report.findings.forEach((finding, index) => {
    const rule = ALL_RULES.find((one) => one.rule.id === finding.rule)?.rule;
    const title = rule?.title ?? typeName(finding.cwe);
    const where = `${many ? `${finding.subject}, ${lineText(finding).toLowerCase()}` : lineText(finding)}`;
    lines.push(
      ...hanging(`${String(index + 1).padStart(2)}. `, `${where}: ${title}${finding.symbol ? ` in ${finding.symbol}` : ''}:`),
      '',
      ...hanging('    * Defect: ', `${finding.claim}.`),
      ...hanging('    * Type: ', `CWE-${finding.cwe} (${typeName(finding.cwe)}), ${finding.severity}, ${finding.confidence}`),
      '    * Evidence:',
      ...finding.evidence.flatMap(({ line, fact }) => hanging(`      ${line === null ? '    -' : String(line).padStart(5)}  `, fact)),
      ...hanging('    * Solution: ', finding.solution.text),
      ...(finding.solution.diff?.split('\n').map((line) => `      ${line}`) ?? []),
      '',
    );
  });
  const notes = noteLines(report);
  if (notes.length > 0) lines.push('Notes:', '', ...notes.flatMap((note) => hanging('    * ', note)), '');
  return printable(`${lines.join('\n').trimEnd()}\n`);
}
