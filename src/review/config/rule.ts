import type { Claim, RuleInfo } from '../finding.ts';
import type { HostFacts } from '../ruleset/view.ts';
import type { ConfigDocument, Setting } from './document.ts';

/** A rule over a configuration file, with what is known of its host. */
export interface ConfigRule extends RuleInfo {
  check(document: ConfigDocument, report: (claim: Claim) => void, host: HostFacts): void;
}

export function place({ line, key }: Setting): Pick<Claim, 'line' | 'endLine' | 'symbol'> {
  return { line, endLine: line, symbol: key };
}

/** `key = value`, without what is secret in it. */
export function shown({ key, value }: Setting): string {
  return `${key} = ${value.replace(/:[^:@/]*@/g, ':***@').slice(0, 120)}`;
}
