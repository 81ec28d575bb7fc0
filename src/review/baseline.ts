import { Reader } from '../contract/reader.ts';
import { InvalidInput } from '../model/errors.ts';
import { grouped } from '../model/grouped.ts';
import type { Finding } from './finding.ts';

/** A known finding that a baseline file accepts, with the reason. */
export interface BaselineEntry {
  /** {@link Finding.fingerprint}. The other fields, except the subject, are for readers of the file. */
  readonly fingerprint: string;
  readonly rule: string;
  readonly subject: string;
  readonly claim: string;
  readonly reason: string;
}

const VERSION = 1;

/**
 * Reads a baseline file (JSON).
 * @param name of the file, for errors
 * @throws InvalidInput that names the field
 */
export function readBaseline(text: string, name: string): BaselineEntry[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InvalidInput('baseline', `${name}: not JSON: ${(error as Error).message.slice(0, 120)}.`);
  }
  const top = new Reader(value, name).object('version', 'findings');
  top.version.integer(VERSION, VERSION);
  return top.findings.array(100_000, (item) => {
    const fields = item.object('fingerprint', 'rule', 'subject', 'claim', 'reason');
    const text = (field: Reader) => field.string(10_000);
    return {
      fingerprint: fields.fingerprint.string(64, /^[0-9a-f]+$/),
      rule: text(fields.rule),
      subject: text(fields.subject),
      claim: text(fields.claim),
      reason: fields.reason.string(2000, /\S/),
    };
  });
}

/**
 * The text of a baseline for findings. Entries in `known` keep their reasons, new ones get `reason`; findings that a comment
 * suppresses need no entry.
 */
export function writeBaseline(findings: readonly Finding[], known: readonly BaselineEntry[], reason: string): string {
  const entryOf = lookUp(known);
  const entries = findings.flatMap((finding) => {
    const { fingerprint, rule, subject, claim, suppressed } = finding;
    const accepted = entryOf(finding)?.reason;
    return accepted === undefined && suppressed !== null ? [] : [{ fingerprint, rule, subject, claim, reason: accepted ?? reason }];
  });
  return `${JSON.stringify({ version: VERSION, findings: entries }, null, 2)}\n`;
}

/** Marks findings that the baseline accepts as suppressed, with its reason. Findings that a comment suppresses keep theirs. */
export function applyBaseline(findings: readonly Finding[], entries: readonly BaselineEntry[]): Finding[] {
  const entryOf = lookUp(entries);
  return findings.map((finding) => ({ ...finding, suppressed: finding.suppressed ?? entryOf(finding)?.reason ?? null }));
}

/** Finds the entry for a finding. Fingerprints cover only the file name, so the path is compared too. */
function lookUp(entries: readonly BaselineEntry[]): (finding: Finding) => BaselineEntry | undefined {
  const known = grouped(entries, ({ fingerprint }) => [fingerprint]);
  return ({ fingerprint, subject }) => known.get(fingerprint)?.find((entry) => isSameFile(entry.subject, subject));
}

/** Whether two paths may name one file from different directories: the shorter is a suffix of the longer, on whole segments. */
function isSameFile(a: string, b: string): boolean {
  const [short, long] = [a, b].map((path) => path.replace(/^(\.\/)+/, '')).sort((x, y) => x.length - y.length) as [string, string];
  return long === short || long.endsWith(short.startsWith('/') ? short : `/${short}`);
}
