import { grouped } from '../model/grouped.ts';
import type { Finding } from './finding.ts';

/** Beginning of a suppression. */
const MARK = 'pinhole-review:';

/** A comment that suppresses findings: `pinhole-review: ignore RULE -- why`. */
export interface Suppression {
  readonly line: number;
  /** Lines whose findings it suppresses: its own, and, if the comment stands alone, the next line of code. */
  readonly covers: readonly number[];
  readonly rules: readonly string[];
  /** null: the comment gives no reason, and so has no effect. */
  readonly reason: string | null;
}

/** The suppressions in a text. The comment syntax of every supported format is recognised. */
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

/**
 * Rules and reason of `pinhole-review: ignore RULE[, RULE] -- why` in a comment. Takes time linear in the length of the line,
 * whatever it contains.
 */
function directiveIn(line: string): { rules: string; reason: string } | null {
  const at = line.indexOf(MARK);
  if (at < 0 || !/#|\/\/|\/\*|<!--|;/.test(line.slice(0, at))) return null;
  const [, rest] = /^\s*ignore\s+([\s\S]*)$/.exec(withoutEnd(line.slice(at + MARK.length))) ?? [];
  if (rest === undefined) return null;
  const dashes = rest.search(/\s--/);
  const rules = dashes < 0 ? rest : rest.slice(0, dashes).trimEnd();
  return /^[a-z0-9, -]*$/.test(rules) ? { rules, reason: dashes < 0 ? '' : rest.slice(dashes + 3).trim() } : null;
}

/** A comment without its closing mark. */
function withoutEnd(comment: string): string {
  const text = comment.trimEnd();
  const end = ['-->', '*/'].find((one) => text.endsWith(one));
  return end === undefined ? text : text.slice(0, -end.length).trimEnd();
}

/** For each line, the number of the first line after it that is neither empty nor a comment nor a decorator. */
function nextOfCode(lines: readonly string[]): number[] {
  const found: number[] = [];
  let next = lines.length + 1;
  for (let index = lines.length - 1; index >= 0; index--) {
    found[index] = next;
    if (!/^\s*(#|\/\/|\*|\/\*|<!--|;|@|$)/.test(lines[index] ?? '')) next = index + 1;
  }
  return found;
}

/** Findings after suppressions were applied. */
export interface Applied {
  readonly findings: readonly Finding[];
  /** Suppressions without an effect, with the reason. */
  readonly problems: readonly { readonly line: number; readonly problem: string }[];
}

/** Marks suppressed findings with the reason, and lists suppressions that lack a reason or match no finding. */
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
          ? "a suppression without a reason ('-- why') has no effect"
          : `no finding of ${rules.join(' or ')} here: remove the suppression`,
    }));
  return { findings: marked, problems };
}
