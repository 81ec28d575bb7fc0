import { cweUrl, typeName } from '../cwe.ts';
import type { Finding } from '../finding.ts';
import { findingsOf, type Report } from '../report.ts';
import { verdictOf } from './by-type.ts';
import { noteLines, summary } from './summary.ts';
import { lineText, printable, withCode } from './text.ts';

/** Markdown for wikis, issues and pull requests. Text of the subject cannot become markup. */
export function markdown(report: Report): string {
  const parts = ['# Security review', '', `${summary(report)}.`, ''];
  for (const type of report.types) {
    const found = findingsOf(report, type);
    parts.push(`## [CWE-${type}](${cweUrl(type)}): ${typeName(type)}`, '');
    const verdict = verdictOf(report, type, found);
    if (verdict !== null) parts.push(escaped(verdict), '');
    for (const finding of found) parts.push(...section(finding));
  }
  if (report.suppressed.length > 0) {
    parts.push(
      '## Suppressed',
      '',
      ...report.suppressed.map((one) => `- ${code(`${one.subject}:${one.line}`)} ${one.rule}: ${escaped(one.suppressed ?? '')}`),
      '',
    );
  }
  const notes = noteLines(report);
  if (notes.length > 0) parts.push('## Notes', '', ...notes.map((note) => `- ${escaped(note)}`), '');
  return printable(`${parts.join('\n').trimEnd()}\n`);
}

function section(finding: Finding): string[] {
  const { subject, symbol, claim, evidence, solution, severity, confidence, rule, cwe } = finding;
  return [
    `### ${code(subject)}, ${lineText(finding).toLowerCase()}${symbol ? ` (${code(symbol)})` : ''}`,
    '',
    `**${escapeClaim(claim)}.**`,
    '',
    `${severity}, ${confidence} · ${rule} · [CWE-${cwe}](${cweUrl(cwe)}) ${typeName(cwe)}`,
    '',
    ...evidence.map(({ line, fact }) => `- ${line === null ? '' : `line ${line}: `}${escapeClaim(fact)}`),
    '',
    `Solution: ${escapeClaim(solution.text)}`,
    ...(solution.diff ? ['', '```diff', solution.diff.replaceAll('```', "'''"), '```'] : []),
    '',
  ];
}

function code(text: string): string {
  return `\`${text.replaceAll('`', "'")}\``;
}

/** Escaped text in which parts in backticks stay code. */
function escapeClaim(text: string): string {
  return withCode(text, { code: (part) => `\`${part}\``, plain: escaped });
}

function escaped(text: string): string {
  return text.replace(/[\\*_[\]<>#|~]/g, (character) => `\\${character}`).replaceAll('`', '\\`');
}
