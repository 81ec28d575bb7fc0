import type { Claim, RuleInfo } from '../finding.ts';
import type { SourceModule } from './module.ts';

/** A rule over source code. `report` is called once for each place. */
export interface SourceRule extends RuleInfo {
  /** A text that this does not match cannot have the defect: most files are done with most rules at once. */
  readonly hint?: RegExp;
  check(module: SourceModule, report: (claim: Claim) => void): void;
}
