import type { Claim, RuleInfo } from '../finding.ts';
import type { SourceModule } from './module.ts';

/** A rule for source code. */
export interface SourceRule extends RuleInfo {
  /** A text that does not match cannot have the defect. It saves most rules the work on most files. */
  readonly hint?: RegExp;
  /** Reports each defect once, through `report`. @throws OutOfSteps, Aborted */
  check(module: SourceModule, report: (claim: Claim) => void): void;
}
