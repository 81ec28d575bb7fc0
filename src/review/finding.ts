import { createHash } from 'node:crypto';
import type { Cwe, Pillar } from './cwe.ts';

/** From the least to the most severe. */
export const SEVERITIES = ['info', 'low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/**
 * `proved`: observed in a scratch network, with the trace. `certain`: follows from the text that was read. `likely`: follows
 * unless something that was not read prevents it; the evidence says what.
 */
export type Confidence = 'proved' | 'certain' | 'likely';

/** One fact on which a finding rests. */
export interface Evidence {
  /** Line of the subject, from 1; null: the fact has no line (a setting of the host, a trace). */
  readonly line: number | null;
  readonly fact: string;
}

/** What to change. */
export interface Solution {
  readonly text: string;
  /** A unified hunk against the subject; null: the change cannot be written as one. */
  readonly diff: string | null;
}

/** What a rule reports about one place. */
export interface Claim {
  /** First line, from 1. */
  readonly line: number;
  /** Last line, included. */
  readonly endLine: number;
  /** Function, class, chain or option that the claim is about; null: the file. */
  readonly symbol: string | null;
  /** One sentence, without its full stop. */
  readonly claim: string;
  /** Never empty: a rule without evidence reports nothing. */
  readonly evidence: readonly Evidence[];
  readonly solution: Solution;
  readonly severity: Severity;
  readonly confidence: Confidence;
  /** Set if it differs from the weakness of the rule. */
  readonly cwe?: Cwe;
}

/** A claim as the report shows it. */
export interface Finding extends Omit<Claim, 'cwe'> {
  /** Id of the rule. */
  readonly rule: string;
  readonly pillar: Pillar;
  readonly cwe: Cwe;
  /** Path of a file, or `netns NAME`. */
  readonly subject: string;
  /** Hash of rule, file name, symbol and line text: it stays the same when lines move. Baselines refer to it. */
  readonly fingerprint: string;
  /** Reason that the comment or baseline gives for ignoring it; null: the finding counts. */
  readonly suppressed: string | null;
}

/** The first 20 hexadecimal digits of the SHA-256 of the parts, joined by NUL. */
export function fingerprintOf(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 20);
}

/** Whether a severity equals or exceeds a minimum. */
export function atLeast(severity: Severity, minimum: Severity): boolean {
  return SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(minimum);
}

/** Description of a rule. Its page in docs/review is generated from this and from its examples in the corpus. */
export interface RuleInfo {
  /** Kebab-case and stable, because suppressions and baselines name it. */
  readonly id: string;
  readonly cwe: Cwe;
  /** Other weaknesses that single claims of the rule may have. */
  readonly alsoCwes?: readonly Cwe[];
  readonly severity: Severity;
  /** The defect as a noun phrase, in lower case, without a full stop. */
  readonly title: string;
  /** What goes wrong, and for which user. Full sentences. */
  readonly why: string;
  /** What to do about it. Full sentences. */
  readonly remedy: string;
  /** What the rule looks at, as a noun phrase. Reports print it for a type without findings. */
  readonly checks: string;
}

/** Sort order: by subject, then by line, then the most severe first, then by rule id. */
export function compareFindings(a: Finding, b: Finding): number {
  return (
    a.subject.localeCompare(b.subject) ||
    a.line - b.line ||
    SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity) ||
    a.rule.localeCompare(b.rule)
  );
}
