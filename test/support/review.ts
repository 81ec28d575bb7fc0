import { ReviewEngine, type SubjectReport } from '../../src/review/engine.ts';
import { makeReport, type Report } from '../../src/review/report.ts';
import { ALL_TYPES, type Types } from '../../src/review/rules.ts';
import { NO_HOST } from '../../src/review/ruleset/view.ts';
import type { Subject, SubjectKind } from '../../src/review/subject.ts';

export function subject(name: string, kind: SubjectKind, text: string, mode: number | null = null): Subject {
  return { name, kind, text, mode };
}

export async function reviewOne(one: Subject, options: { types?: Types; kernel?: string } = {}): Promise<SubjectReport> {
  const engine = new ReviewEngine({
    ...(options.types ? { types: options.types } : {}),
    host: { ...NO_HOST, kernel: options.kernel ?? null },
  });
  try {
    return await engine.review(one);
  } finally {
    engine.close();
  }
}

export async function reportOf(subjects: readonly Subject[], types: Types = ALL_TYPES): Promise<Report> {
  return makeReport(types, await Promise.all(subjects.map((one) => reviewOne(one, { types }))));
}

/** `line rule` of what was found. */
export function places(report: { readonly findings: SubjectReport['findings'] }): string[] {
  return report.findings.map(({ line, rule }) => `${line} ${rule}`).sort();
}
