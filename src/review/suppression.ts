import { grouped } from '../model/grouped.ts';
import type { Finding } from './finding.ts';

/** What a suppression begins with. */
const MARK = 'pinhole-review:';

export interface Suppression {
  readonly line: number;
  /** Lines that it speaks of: its own, and the next that is no comment. */
  readonly covers: readonly number[];
  readonly rules: readonly string[];
  /** null: no reason is given, so that it does not count. */
  readonly reason: string | null;
}

/** Suppressions of a text, whatever its comments look like. */
export function suppressionsIn(text: string): Suppression[] {
  if (!text.includes(MARK)) return [];
  const lines = text.split(/\r?\n/);
  const next = nextOfCode(lines);
  return lines.flatMap((content, index) => {
    const directive = directiveIn(content);
    if (!directive) return [];
    const { rules, reason } = directive;
    const isAlone = /^\s*(#|\/\/|\/\*|<!--|;)/.test(content);
    return [
      {
        line: index + 1,
        covers: isAlone ? [index + 1, next[index] as number] : [index + 1],
        rules: rules.split(/[\s,]+/).filter(Boolean),
        reason: reason === '' ? null : reason,
      },
    ];
  });
}

/** `pinhole-review: ignore RULE[, RULE] -- why`, in a comment. Takes a time that grows with the line, whatever it is made of. */
function directiveIn(line: string): { rules: string; reason: string } | null {
  const at = line.indexOf(MARK);
  if (at < 0 || !/#|\/\/|\/\*|<!--|;/.test(line.slice(0, at))) return null;
  const [, rest] = /^\s*ignore\s+([\s\S]*)$/.exec(withoutEnd(line.slice(at + MARK.length))) ?? [];
  if (rest === undefined) return null;
  const dashes = rest.search(/\s--/);
  const rules = dashes < 0 ? rest : rest.slice(0, dashes).trimEnd();
  return /^[a-z0-9, -]*$/.test(rules) ? { rules, reason: dashes < 0 ? '' : rest.slice(dashes + 3).trim() } : null;
}

/** Without the end of a comment. */
function withoutEnd(comment: string): string {
  const text = comment.trimEnd();
  const end = ['-->', '*/'].find((one) => text.endsWith(one));
  return end === undefined ? text : text.slice(0, -end.length).trimEnd();
}

/** For each line, the first after it that is neither empty nor a comment nor a decorator. */
function nextOfCode(lines: readonly string[]): number[] {
  const found: number[] = [];
  let next = lines.length + 1;
  for (let index = lines.length - 1; index >= 0; index--) {
    found[index] = next;
    if (!/^\s*(#|\/\/|\*|\/\*|<!--|;|@|$)/.test(lines[index] ?? '')) next = index + 1;
  }
  return found;
}

export interface Applied {
  readonly findings: readonly Finding[];
  /** Suppressions that count for nothing, with what is wrong with them. */
  readonly problems: readonly { readonly line: number; readonly problem: string }[];
}

/** Marks what is suppressed; says which suppressions lack a reason, or suppress nothing. */
export function applySuppressions(findings: readonly Finding[], suppressions: readonly Suppression[]): Applied {
  const used = new Set<Suppression>();
  const byRule = grouped(suppressions, ({ reason, rules }) => (reason === null ? [] : rules));
  const marked = findings.map((finding) => {
    const found = byRule.get(finding.rule)?.find(({ covers }) => covers.some((line) => line >= finding.line && line <= finding.endLine));
    if (!found) return finding;
    used.add(found);
    return { ...finding, suppressed: found.reason };
  });
  const problems = suppressions
    .filter((one) => !used.has(one))
    .map(({ line, rules, reason }) => ({
      line,
      problem:
        reason === null
          ? "a suppression without a reason ('-- why') does not count"
          : `nothing here is ${rules.join(' or ')}: remove the suppression`,
    }));
  return { findings: marked, problems };
}
