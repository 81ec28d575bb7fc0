import type { RulesetRule } from '../rule.ts';
import { helperUnscoped, slipstreamingExposure } from './exposure.ts';
import { helperPortMismatch, ipv4OnlyInV6, unknownHelper } from './fit.ts';
import { shadowedAssignment, snmpForwarded, wrongPriority } from './order.ts';
import { helperWithoutRelatedAccept, relatedAcceptBare, relatedAcceptWithoutHelper, relatedToLowPorts } from './related.ts';
import { expectationLimit, familiesDiffer, knownAdvisory, noAntiSpoofing } from './surroundings.ts';

/** In the order of the pillars of CWE-1000. */
export const RULESET_RULES: readonly RulesetRule[] = [
  relatedAcceptBare,
  relatedToLowPorts,
  snmpForwarded,
  helperUnscoped,
  slipstreamingExposure,
  expectationLimit,
  knownAdvisory,
  wrongPriority,
  noAntiSpoofing,
  familiesDiffer,
  helperPortMismatch,
  unknownHelper,
  ipv4OnlyInV6,
  shadowedAssignment,
  helperWithoutRelatedAccept,
  relatedAcceptWithoutHelper,
];
