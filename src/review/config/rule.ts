import type { Claim, RuleInfo } from '../finding.ts';
import type { HostFacts } from '../ruleset/view.ts';
import type { ConfigDocument, Setting } from './document.ts';

/** A rule for configuration files. */
export interface ConfigRule extends RuleInfo {
  /**
   * Reports each defect of the document once.
   * @param host facts about the host that the file belongs to, as far as they are known
   */
  check(document: ConfigDocument, report: (claim: Claim) => void, host: HostFacts): void;
}

/** The place of a claim about a setting. */
export function place({ line, key }: Setting): Pick<Claim, 'line' | 'endLine' | 'symbol'> {
  return { line, endLine: line, symbol: key };
}

/** `key = value`, for evidence: at most 120 characters of the value, passwords in URLs masked. */
export function shown({ key, value }: Setting): string {
  return `${key} = ${value.replace(/:[^:@/]*@/g, ':***@').slice(0, 120)}`;
}
