import type { Claim, RuleInfo } from '../finding.ts';
import type { SourceModule } from './module.ts';

/** A rule over source code. `report` is called once for each place. */
export interface SourceRule extends RuleInfo {
  check(module: SourceModule, report: (claim: Claim) => void): void;
}
