import type { Note, Reviewed, SubjectReport } from './engine.ts';
import { atLeast, compareFindings, type Finding, type Severity } from './finding.ts';
import { isChosen, type Types } from './rules.ts';

/** A whole review: what reporters print. */
export interface Report {
  readonly version: 1;
  readonly types: Types;
  readonly subjects: readonly Reviewed[];
  /** Without those that are suppressed. */
  readonly findings: readonly Finding[];
  readonly suppressed: readonly Finding[];
  /** Subjects and parts of subjects that were not reviewed, and other remarks. */
  readonly notes: readonly Note[];
  /** Claims of the second reader that could not be checked against the code; null: it was not asked. */
  readonly secondReader: { readonly claims: number; readonly dropped: number } | null;
}

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

/** Findings of a pillar, or of one weakness. */
export function findingsOf({ findings }: Report, type: Types[number]): Finding[] {
  return findings.filter(({ cwe }) => isChosen([type], cwe));
}

export function failing({ findings }: Report, minimum: Severity): Finding[] {
  return findings.filter(({ severity }) => atLeast(severity, minimum));
}
