import { createHash } from 'node:crypto';
import type { Cwe, Pillar } from './cwe.ts';

export const SEVERITIES = ['info', 'low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/**
 * `proved`: watched happening, with the trace. `certain`: it follows from what was read. `likely`: it follows, unless
 * something that was not read prevents it; the evidence says what.
 */
export type Confidence = 'proved' | 'certain' | 'likely';

/** One fact that a finding rests on. */
export interface Evidence {
  /** Line of the subject, from 1; null where the fact has no line (a setting of the host, a trace). */
  readonly line: number | null;
  readonly fact: string;
}

export interface Solution {
  readonly text: string;
  /** Unified hunks against the subject, where a change can be written down. */
  readonly diff: string | null;
}

/** What a rule says about one place. */
export interface Claim {
  readonly line: number;
  readonly endLine: number;
  /** Function, class, chain or option that it is about; null: the file. */
  readonly symbol: string | null;
  /** One sentence. */
  readonly claim: string;
  /** Never empty: a rule that has no evidence does not report. */
  readonly evidence: readonly Evidence[];
  readonly solution: Solution;
  readonly severity: Severity;
  readonly confidence: Confidence;
  /** Where it is another than the rule's. */
  readonly cwe?: Cwe;
}

export interface Finding extends Omit<Claim, 'cwe'> {
  /** Id of the rule. */
  readonly rule: string;
  readonly pillar: Pillar;
  readonly cwe: Cwe;
  /** Path of a file, or `netns NAME`. */
  readonly subject: string;
  /** Stays the same while line numbers move: of rule, subject, symbol and the text of its line. */
  readonly fingerprint: string;
  /** Set where it does not count: why, in the words of whoever suppressed it. */
  readonly suppressed: string | null;
}

/** {@link Finding.fingerprint} of what does not move with lines. */
export function fingerprintOf(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 20);
}

export function atLeast(severity: Severity, minimum: Severity): boolean {
  return SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(minimum);
}

/** What every rule says of itself. Its page in docs/review is made of this and of its examples in the corpus. */
export interface RuleInfo {
  /** Kebab-case, stable: suppressions name it. */
  readonly id: string;
  readonly cwe: Cwe;
  /** Weaknesses that single claims of it may be of instead. */
  readonly alsoCwes?: readonly Cwe[];
  readonly severity: Severity;
  /** The defect, as a noun phrase. */
  readonly title: string;
  /** What goes wrong, for whom. */
  readonly why: string;
  readonly remedy: string;
  /** What it looks at, for the sentence that says that a type is clean. */
  readonly checks: string;
}

/** In the order of subjects and their lines; of one line, worst first. */
export function compareFindings(a: Finding, b: Finding): number {
  return (
    a.subject.localeCompare(b.subject) ||
    a.line - b.line ||
    SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity) ||
    a.rule.localeCompare(b.rule)
  );
}
