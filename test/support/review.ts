import { ReviewEngine, type SubjectReport } from '../../src/review/engine.ts';
import { makeReport, type Report } from '../../src/review/report.ts';
import { ALL_TYPES, type Types } from '../../src/review/rules.ts';
import { NO_HOST } from '../../src/review/ruleset/view.ts';
import type { Subject, SubjectKind } from '../../src/review/subject.ts';
import { type CorpusFile, corpus } from './corpus.ts';

export function subject(name: string, kind: SubjectKind, text: string, mode: number | null = null): Subject {
  return { name, kind, text, mode };
}

/** A clock that stands still: no test depends on how long something takes. */
export const STILL = () => 0;

/** Engines by their options; each loads its grammars once. */
const engines = new Map<string, ReviewEngine>();

/** Reviews one subject, with a clock that stands still. */
export function reviewOne(one: Subject, { types = ALL_TYPES, kernel = null }: ReviewOptions = {}): Promise<SubjectReport> {
  const key = `${types} ${kernel}`;
  const engine = engines.get(key) ?? new ReviewEngine({ types, host: { ...NO_HOST, kernel }, limits: { now: STILL } });
  engines.set(key, engine);
  return engine.review(one);
}

let known: Promise<{ file: CorpusFile; report: SubjectReport }[]> | null = null;

/** Every file of the corpus with its report, for the kernel that it names. Reviewed once for all tests of a file. */
export function reviewedCorpus(): Promise<{ file: CorpusFile; report: SubjectReport }[]> {
  known ??= (async () => {
    const found: { file: CorpusFile; report: SubjectReport }[] = [];
    for (const file of corpus()) found.push({ file, report: await reviewOne(file.subject, { kernel: file.kernel }) });
    return found;
  })();
  return known;
}

export interface ReviewOptions {
  readonly types?: Types;
  readonly kernel?: string | null;
}

export async function reportOf(subjects: readonly Subject[], types: Types = ALL_TYPES): Promise<Report> {
  const parts: SubjectReport[] = [];
  for (const one of subjects) parts.push(await reviewOne(one, { types }));
  return makeReport(types, parts);
}

/** `line rule` of the findings, sorted. */
export function places(report: { readonly findings: SubjectReport['findings'] }): string[] {
  return report.findings.map(({ line, rule }) => `${line} ${rule}`).sort();
}
