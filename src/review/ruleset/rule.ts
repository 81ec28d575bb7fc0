import type { Claim, Evidence, RuleInfo } from '../finding.ts';
import type { Outcome } from './evaluate.ts';
import type { Assignment, RulesetView } from './view.ts';

/** A rule over a ruleset. */
export interface RulesetRule extends RuleInfo {
  check(view: RulesetView, report: (claim: Claim) => void): void;
}

export function at(assignment: Pick<Assignment, 'line' | 'text'>, fact: string): Evidence {
  return { line: assignment.line, fact: `${fact}: ${brief(assignment.text)}` };
}

export function brief(text: string): string {
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}

/** What decided over a probe, as evidence. */
export function stepsOf(view: RulesetView, { steps }: Outcome): Evidence[] {
  return steps
    .filter(({ rule, chain }) => rule !== null || chain.base?.policy === 'drop')
    .map(({ chain, rule }) =>
      rule
        ? { line: rule.line, fact: `${view.symbol(chain, rule)}: ${brief(rule.text)}` }
        : { line: chain.line, fact: `${view.symbol(chain)}: policy ${chain.base?.policy}` },
    );
}

export function placeOf(view: RulesetView, assignment: Assignment): Pick<Claim, 'line' | 'endLine' | 'symbol'> {
  const { place, line } = assignment;
  return { line, endLine: line, symbol: place ? view.symbol(place.chain, place.rule) : null };
}

export function list(words: readonly string[]): string {
  const unique = [...new Set(words)];
  return unique.length < 2 ? unique.join('') : `${unique.slice(0, -1).join(', ')} and ${unique.at(-1)}`;
}
