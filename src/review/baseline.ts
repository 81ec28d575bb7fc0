import { InvalidInput } from '../model/errors.ts';
import { Reader } from '../model/reader.ts';
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

export function writeBaseline(findings: readonly Finding[], reason: string): string {
  const entries = findings
    .filter(({ suppressed }) => suppressed === null)
    .map(({ fingerprint, rule, subject, claim }) => ({ fingerprint, rule, subject, claim, reason }));
  return `${JSON.stringify({ version: VERSION, findings: entries }, null, 2)}\n`;
}

export function applyBaseline(findings: readonly Finding[], entries: readonly BaselineEntry[]): Finding[] {
  const known = new Map<string, BaselineEntry[]>();
  for (const entry of entries) known.set(entry.fingerprint, [...(known.get(entry.fingerprint) ?? []), entry]);
  return findings.map((finding) => {
    const entry = known.get(finding.fingerprint)?.find(({ subject }) => isSameFile(subject, finding.subject));
    return { ...finding, suppressed: finding.suppressed ?? entry?.reason ?? null };
  });
}

/** One file, wherever it was named from: the shorter path is the end of the longer one. */
function isSameFile(a: string, b: string): boolean {
  const [short, long] = [a, b].map((path) => path.replace(/^(\.\/)+/, '')).sort((x, y) => x.length - y.length) as [string, string];
  return long === short || long.endsWith(short.startsWith('/') ? short : `/${short}`);
}
