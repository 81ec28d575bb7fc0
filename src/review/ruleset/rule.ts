import type { Claim, Evidence, RuleInfo } from '../finding.ts';
import { brief } from '../words.ts';
import type { Outcome } from './evaluate.ts';
import type { Assignment, RulesetView } from './view.ts';

/** A rule for rulesets, and for configuration that assigns helpers. */
export interface RulesetRule extends RuleInfo {
  /** Reports each defect once, through `report`. @throws OutOfSteps, Aborted */
  check(view: RulesetView, report: (claim: Claim) => void): void;
}

/** An assignment as evidence: the fact, then the text of its rule. */
export function at(assignment: Pick<Assignment, 'line' | 'text'>, fact: string): Evidence {
  return { line: assignment.line, fact: `${fact}: ${brief(assignment.text)}` };
}

/** The rules and policies that decided about a probe, as evidence. */
export function stepsOf(view: RulesetView, { steps }: Outcome): Evidence[] {
  return steps
    .filter(({ rule, chain }) => rule !== null || chain.base?.policy === 'drop')
    .map(({ chain, rule }) =>
      rule
        ? { line: rule.line, fact: `${view.symbol(chain, rule)}: ${brief(rule.text)}` }
        : { line: chain.line, fact: `${view.symbol(chain)}: policy ${chain.base?.policy}` },
    );
}

/** The place of a claim about an assignment. */
export function placeOf(view: RulesetView, assignment: Assignment): Pick<Claim, 'line' | 'endLine' | 'symbol'> {
  const { place, line } = assignment;
  return { line, endLine: line, symbol: place ? view.symbol(place.chain, place.rule) : null };
}
