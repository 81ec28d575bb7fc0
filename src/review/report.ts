import type { Note, Reviewed, SubjectReport } from './engine.ts';
import { atLeast, compareFindings, type Finding, type Severity } from './finding.ts';
import { isChosen, type Types } from './rules.ts';

/** The whole review, as reporters print it. */
export interface Report {
  readonly version: 1;
  readonly types: Types;
  readonly subjects: readonly Reviewed[];
  /** Without the suppressed ones, in the order of {@link compareFindings}. */
  readonly findings: readonly Finding[];
  readonly suppressed: readonly Finding[];
  /** Subjects and parts of subjects that were not reviewed, and other remarks. */
  readonly notes: readonly Note[];
  /** Number of claims that the second reader made, and of those that were dropped as unverifiable; null: it was not asked. */
  readonly secondReader: { readonly claims: number; readonly dropped: number } | null;
}

/** Joins the reports of subjects. Findings are sorted and split into open and suppressed ones. */
export function makeReport(
  types: Types,
  parts: readonly SubjectReport[],
  extra: { notes?: readonly Note[]; secondReader?: Report['secondReader'] } = {},
): Report {
  const all = parts.flatMap(({ findings }) => findings).sort(compareFindings);
  return {
    version: 1,
    types,
    subjects: parts.flatMap(({ reviewed }) => (reviewed ? [reviewed] : [])),
    findings: all.filter(({ suppressed }) => suppressed === null),
    suppressed: all.filter(({ suppressed }) => suppressed !== null),
    notes: [...parts.flatMap(({ notes }) => notes), ...(extra.notes ?? [])],
    secondReader: extra.secondReader ?? null,
  };
}

/** The notes about subjects, parts of subjects and rules that were not tried. */
export function notTried({ notes }: Report): Note[] {
  return notes.filter(({ level }) => level === 'error');
}

/** The open findings of a pillar, or of one weakness. */
export function findingsOf({ findings }: Report, type: Types[number]): Finding[] {
  return findings.filter(({ cwe }) => isChosen([type], cwe));
}

/** The open findings that equal or exceed a severity (`--fail-on`). */
export function failing({ findings }: Report, minimum: Severity): Finding[] {
  return findings.filter(({ severity }) => atLeast(severity, minimum));
}
