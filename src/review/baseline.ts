import { Reader } from '../contract/reader.ts';
import { InvalidInput } from '../model/errors.ts';
import { grouped } from '../model/grouped.ts';
import type { Finding } from './finding.ts';

/** What was known before: findings that a file accepts, each with a reason. */
export interface BaselineEntry {
  readonly fingerprint: string;
  readonly rule: string;
  readonly subject: string;
  readonly claim: string;
  readonly reason: string;
}

const VERSION = 1;

/** @throws InvalidInput naming the field */
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

/** Findings as a baseline: those that `known` accepts keep their reason, those that only a comment accepts need no entry. */
export function writeBaseline(findings: readonly Finding[], known: readonly BaselineEntry[], reason: string): string {
  const entryOf = lookUp(known);
  const entries = findings.flatMap((finding) => {
    const { fingerprint, rule, subject, claim, suppressed } = finding;
    const accepted = entryOf(finding)?.reason;
    return accepted === undefined && suppressed !== null ? [] : [{ fingerprint, rule, subject, claim, reason: accepted ?? reason }];
  });
  return `${JSON.stringify({ version: VERSION, findings: entries }, null, 2)}\n`;
}

export function applyBaseline(findings: readonly Finding[], entries: readonly BaselineEntry[]): Finding[] {
  const entryOf = lookUp(entries);
  return findings.map((finding) => ({ ...finding, suppressed: finding.suppressed ?? entryOf(finding)?.reason ?? null }));
}

function lookUp(entries: readonly BaselineEntry[]): (finding: Finding) => BaselineEntry | undefined {
  const known = grouped(entries, ({ fingerprint }) => [fingerprint]);
  return ({ fingerprint, subject }) => known.get(fingerprint)?.find((entry) => isSameFile(entry.subject, subject));
}

/** One file, wherever it was named from: the shorter path is the end of the longer one. */
function isSameFile(a: string, b: string): boolean {
  const [short, long] = [a, b].map((path) => path.replace(/^(\.\/)+/, '')).sort((x, y) => x.length - y.length) as [string, string];
  return long === short || long.endsWith(short.startsWith('/') ? short : `/${short}`);
}
