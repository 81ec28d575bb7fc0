import type { RulesetRule } from '../rule.ts';
import {
  helperPortMismatch,
  helperUnscoped,
  ipv4OnlyInV6,
  shadowedAssignment,
  slipstreamingExposure,
  snmpForwarded,
  unknownHelper,
  wrongPriority,
} from './assignments.ts';
import { helperWithoutRelatedAccept, relatedAcceptBare, relatedAcceptWithoutHelper, relatedToLowPorts } from './related.ts';
import { expectationLimit, familiesDiffer, knownAdvisory, noAntiSpoofing } from './surroundings.ts';

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
