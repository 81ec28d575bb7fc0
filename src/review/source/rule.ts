import type { Claim, RuleInfo } from '../finding.ts';
import type { SourceModule } from './module.ts';
import type { View } from './project/view.ts';

/** A rule for source code. */
export interface SourceRule extends RuleInfo {
  /** A text that does not match cannot have the defect. It saves most rules the work on most files. */
  readonly hint?: RegExp;
  /** Reports each defect once, through `report`. @param view the project, as this file sees it. @throws OutOfSteps, Aborted */
  check(module: SourceModule, report: (claim: Claim) => void, view: View): void;
}
