import { SEVERITIES } from '../finding.ts';
import type { Report } from '../report.ts';
import { plural } from './text.ts';

/** One line of counts: `12 findings (2 high, 10 low) in 3 subjects, 900 lines; 1 suppressed`. */
export function summary(report: Report): string {
  const { findings, subjects, suppressed } = report;
  const counts = [...SEVERITIES]
    .reverse()
    .map((severity) => [severity, findings.filter((one) => one.severity === severity).length] as const)
    .filter(([, count]) => count > 0)
    .map(([severity, count]) => `${count} ${severity}`);
  const detail = counts.length > 0 ? ` (${counts.join(', ')})` : '';
  const unfinished = subjects.reduce((sum, subject) => sum + subject.unfinished.length, 0);
  const open = unfinished > 0 ? `; ${plural(unfinished, 'rule')} not finished` : '';
  const rest = suppressed.length > 0 ? `; ${suppressed.length} suppressed` : '';
  return `${plural(findings.length, 'finding')}${detail} in ${plural(subjects.length, 'subject')}, ${subjects.reduce((sum, { lines }) => sum + lines, 0)} lines${rest}${open}`;
}

/** The notes as lines of text: first what was not tried; last one about dropped claims of the second reader. */
export function noteLines(report: Report): string[] {
  const notes = [...report.notes]
    .sort((a, b) => Number(b.level === 'error') - Number(a.level === 'error'))
    .map(
      ({ subject, line, note, level }) => `${level === 'error' ? 'Not tried: ' : ''}${subject}${line === null ? '' : `:${line}`}: ${note}`,
    );
  const { secondReader } = report;
  if (secondReader && secondReader.dropped > 0) {
    notes.push(
      `second reader: ${plural(secondReader.claims, 'claim')}, of which ${secondReader.dropped} could not be checked against the code and ${secondReader.dropped === 1 ? 'was' : 'were'} dropped`,
    );
  }
  return notes;
}
