import { CONFIG_RULES } from './config/rules.ts';
import { type Cwe, PILLAR_IDS, type Pillar, pillarOf } from './cwe.ts';
import type { RuleInfo } from './finding.ts';
import { RULESET_RULES } from './ruleset/rules/index.ts';
import { SOURCE_RULES } from './source/rules/index.ts';

export type SubjectFamily = 'ruleset' | 'configuration' | 'source';

export interface ListedRule {
  readonly family: SubjectFamily;
  readonly rule: RuleInfo;
}

/** Every rule there is. */
export const ALL_RULES: readonly ListedRule[] = [
  ...RULESET_RULES.map((rule) => ({ family: 'ruleset' as const, rule })),
  ...CONFIG_RULES.map((rule) => ({ family: 'configuration' as const, rule })),
  ...SOURCE_RULES.map((rule) => ({ family: 'source' as const, rule })),
];

/** Defect types that were asked for: pillars, or single weaknesses below them. */
export type Types = readonly (Pillar | Cwe)[];
export const ALL_TYPES: Types = PILLAR_IDS;

export function isChosen(types: Types, cwe: Cwe): boolean {
  return types.includes(cwe) || types.includes(pillarOf(cwe));
}
