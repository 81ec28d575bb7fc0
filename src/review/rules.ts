import { CONFIG_RULES } from './config/rules.ts';
import { type Cwe, PILLAR_IDS, type Pillar, pillarOf } from './cwe.ts';
import type { RuleInfo } from './finding.ts';
import { RULESET_RULES } from './ruleset/rules/index.ts';
import { SOURCE_RULES } from './source/rules/index.ts';

/** Groups of subject kinds that share rules. */
export type SubjectFamily = 'ruleset' | 'configuration' | 'source';

/** A rule with the family of subjects that it is for. */
export interface ListedRule {
  readonly family: SubjectFamily;
  readonly rule: RuleInfo;
}

/** All rules of all families. */
export const ALL_RULES: readonly ListedRule[] = [
  ...RULESET_RULES.map((rule) => ({ family: 'ruleset' as const, rule })),
  ...CONFIG_RULES.map((rule) => ({ family: 'configuration' as const, rule })),
  ...SOURCE_RULES.map((rule) => ({ family: 'source' as const, rule })),
];

/** The defect types that were asked for: pillars of CWE-1000, or single weaknesses. */
export type Types = readonly (Pillar | Cwe)[];
/** The ten pillars, and so every rule. */
export const ALL_TYPES: Types = PILLAR_IDS;

/** Whether a weakness, or its pillar, is among the types. */
export function isChosen(types: Types, cwe: Cwe): boolean {
  return types.includes(cwe) || types.includes(pillarOf(cwe));
}
