import { FAMILIES, type Family } from '../model/catalogue.ts';
import { couldMatch, evaluate, type Probe } from '../review/ruleset/evaluate.ts';
import { type LiveRules, liveText, readLive } from '../review/ruleset/live.ts';
import type { Chain, MatchKey, Rule } from '../review/ruleset/model.ts';
import { NO_HOST, RulesetView } from '../review/ruleset/view.ts';

/** One check of why a helper may not work in a namespace, and its result. */
export interface Diagnosis {
  readonly check: string;
  readonly result: 'ok' | 'note' | 'problem';
  readonly detail: string;
}

interface Place {
  readonly chain: Chain;
  readonly rule: Rule;
}

/**
 * Checks all rules of a namespace for what keeps helpers from working. Pure; the reviewer's reader and evaluator do the work.
 * @returns one diagnosis for each check, in a fixed order
 * @throws InvalidInput for rules that are not what nft and iptables print
 */
export function diagnose({ nft, listing, iptables, ip6tables }: LiveRules): Diagnosis[] {
  // Only these: a kernel's answer has sysctls too, which the reader refuses.
  const text = liveText({ nft, listing, iptables, ip6tables });
  const view = new RulesetView('live rules', readLive(text, 'live rules'), { host: NO_HOST });
  return CHECKS.map((check) => check(view));
}

const CHECKS = [ownTable, relatedAccept, notrack, zones, flowOffload, shadowing] as const;

function ownTable({ ruleset }: RulesetView): Diagnosis {
  const check = 'table inet pinhole';
  return ruleset.chains.some(isOurs)
    ? { check, result: 'ok', detail: 'exists' }
    : { check, result: 'note', detail: 'does not exist: no helper is declared for this namespace, or none could be applied' };
}

/** The first packet of a data connection, as most helpers expect one. */
const DATA = { hook: 'forward', state: 'related', helper: 'ftp', protocol: 'tcp', port: 50_000 } as const;

/** A helper only creates expectations. The firewall must accept the related connections. */
function relatedAccept(view: RulesetView): Diagnosis {
  const check = 'related connections are accepted';
  const found = FAMILIES.flatMap((family) => forwardProblem(view, family) ?? []);
  const worst = found.find(({ result }) => result === 'problem') ?? found[0];
  return worst ? { check, ...worst } : { check, result: 'ok', detail: 'forward chains accept a related connection' };
}

function forwardProblem(view: RulesetView, family: Family): Omit<Diagnosis, 'check'> | null {
  const probe: Probe = { ...DATA, family };
  const { verdict, steps, doubts } = evaluate(view, probe);
  if (verdict === 'accept') {
    const [doubt] = doubts;
    return doubt
      ? {
          result: 'note',
          detail: `${family}: not known: '${doubt.text}' may drop related connections; it depends on a state that doctor cannot see`,
        }
      : null;
  }
  const last = steps.at(-1);
  const where = last ? `${nameOf(last.chain)}${last.rule ? ` ('${last.rule.text}')` : ' by its policy'}` : 'a forward chain';
  const narrow = view.baseChains('forward', family).flatMap(({ rules }) => rules.filter((rule) => isNarrowAccept(view, rule, probe)));
  if (narrow.length > 0)
    return { result: 'note', detail: `${family}: ${where} drops related connections, except those that '${narrow[0]?.text}' accepts` };
  return {
    result: 'problem',
    detail: `${family}: ${where} drops the connections that helpers expect: no rule before it accepts 'ct state related'. Add one.`,
  };
}

/** Properties of a packet that the probe leaves open. */
const LEFT_OPEN: ReadonlySet<MatchKey> = new Set(['saddr', 'daddr', 'iif', 'oif', 'sport', 'other']);

/** Whether a rule accepts related connections only with certain values of properties that the probe leaves open, like an address. */
function isNarrowAccept(view: RulesetView, rule: Rule, probe: Probe): boolean {
  const namesState = rule.matches.some(({ key, values }) => key === 'state' && (values?.includes('related') ?? false));
  const narrows = rule.matches.some(({ key }) => LEFT_OPEN.has(key));
  return rule.action?.kind === 'accept' && namesState && narrows && couldMatch(view, rule, probe);
}

function notrack(view: RulesetView): Diagnosis {
  const found = places(view, ({ action }) => action?.kind === 'notrack');
  const check = 'connections are tracked';
  if (found.length === 0) return { check, result: 'ok', detail: '' };
  return {
    check,
    result: 'problem',
    detail: `${listed(found)}: notrack: untracked connections get no helper. Exempt control connections from notrack.`,
  };
}

/** `ct zone set 1`, `CT --zone 1`. */
const SETS_ZONE = /\bct (?:original |reply )?zone set\b|\bCT\b.*--zone/;

function zones(view: RulesetView): Diagnosis {
  const found = places(view, ({ text }) => SETS_ZONE.test(text));
  const check = 'conntrack zones';
  if (found.length === 0) return { check, result: 'ok', detail: 'none are set' };
  return {
    check,
    result: 'note',
    detail: `${listed(found)} set a zone: if only the control connection gets it, the data connection fails; set it for all traffic`,
  };
}

function flowOffload(view: RulesetView): Diagnosis {
  const found = places(view, ({ action }) => action?.kind === 'flow');
  if (found.length === 0) return { check: 'flow offload', result: 'ok', detail: 'none' };
  return {
    check: 'flow offload',
    result: 'problem',
    detail: `${listed(found)} offload connections, whose packets then bypass helpers. Exclude control connections by their ports.`,
  };
}

/** The first rule that sets a helper wins: other rules before ours shadow it. */
function shadowing(view: RulesetView): Diagnosis {
  const found = places(view, ({ action }) => action?.kind === 'set-helper' || action?.kind === 'map-helper').filter(
    ({ chain }) => !isOurs(chain),
  );
  const check = 'no other rule assigns helpers';
  if (found.length === 0) return { check, result: 'ok', detail: 'none does' };
  return {
    check,
    result: 'note',
    detail: `${listed(found)} assign helpers too: the first helper that a connection gets stays, and raw (iptables -j CT) runs before Pinhole`,
  };
}

function places({ ruleset }: RulesetView, wanted: (rule: Rule) => boolean): Place[] {
  return ruleset.chains.flatMap((chain) => chain.rules.filter(wanted).map((rule) => ({ chain, rule })));
}

function listed(found: readonly Place[]): string {
  return [...new Set(found.map(({ chain }) => nameOf(chain)))].slice(0, 5).join(', ');
}

function nameOf({ family, table, name }: Chain): string {
  return `${family} ${table} ${name}`;
}

function isOurs({ family, table }: Chain): boolean {
  return family === 'inet' && table === 'pinhole';
}
