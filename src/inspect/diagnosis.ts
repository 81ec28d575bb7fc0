import { FAMILIES, type Family } from '../model/catalogue.ts';
import { couldMatch, evaluate, type Probe } from '../review/ruleset/evaluate.ts';
import { type LiveRules, liveText, readLive } from '../review/ruleset/live.ts';
import type { Chain, MatchKey, Rule } from '../review/ruleset/model.ts';
import { NO_HOST, RulesetView } from '../review/ruleset/view.ts';

/** Why a helper may not work in a namespace, from all rules there. Pure; the rules are read by the reviewer's reader. */
export interface Diagnosis {
  readonly check: string;
  readonly result: 'ok' | 'note' | 'problem';
  readonly detail: string;
}

interface Place {
  readonly chain: Chain;
  readonly rule: Rule;
}

/** @throws InvalidInput for rules that are not what nft and iptables print */
export function diagnose(rules: LiveRules): Diagnosis[] {
  const view = new RulesetView('live rules', readLive(liveText(rules), 'live rules'), { host: NO_HOST });
  return CHECKS.map((check) => check(view));
}

const CHECKS = [ownTable, relatedAccept, notrack, zones, flowOffload, shadowing] as const;

function ownTable({ ruleset }: RulesetView): Diagnosis {
  const check = 'table inet pinhole';
  return ruleset.chains.some(isOurs)
    ? { check, result: 'ok', detail: 'is there' }
    : { check, result: 'note', detail: 'is not there: no helper is declared for this namespace, or none could be applied' };
}

/** A data connection as most helpers announce it. */
const DATA = { hook: 'forward', state: 'related', helper: 'ftp', protocol: 'tcp', port: 50_000 } as const;

/** A helper only creates expectations: the firewall has to accept what is related. */
function relatedAccept(view: RulesetView): Diagnosis {
  const check = 'related connections are accepted';
  const found = FAMILIES.flatMap((family) => forwardProblem(view, family) ?? []);
  const worst = found.find(({ result }) => result === 'problem') ?? found[0];
  return worst ? { check, ...worst } : { check, result: 'ok', detail: 'forward chains let a related connection through' };
}

function forwardProblem(view: RulesetView, family: Family): Omit<Diagnosis, 'check'> | null {
  const probe: Probe = { ...DATA, family };
  const { verdict, steps, doubts } = evaluate(view, probe);
  if (verdict === 'accept') {
    const [doubt] = doubts;
    return doubt
      ? { result: 'note', detail: `${family}: not known: '${doubt.text}' may drop related connections; it looks at what is not seen here` }
      : null;
  }
  const last = steps.at(-1);
  const where = last ? `${nameOf(last.chain)}${last.rule ? ` ('${last.rule.text}')` : ' by its policy'}` : 'a forward chain';
  const narrow = view.baseChains('forward', family).flatMap(({ rules }) => rules.filter((rule) => isNarrowAccept(view, rule, probe)));
  if (narrow.length > 0)
    return { result: 'note', detail: `${family}: ${where} drops related connections other than those of '${narrow[0]?.text}'` };
  return {
    result: 'problem',
    detail: `${family}: ${where} drops what helpers announce: no rule before it accepts 'ct state related'. Add one, for helpers' connections.`,
  };
}

/** What the probe does not say of its packet. */
const LEFT_OPEN: ReadonlySet<MatchKey> = new Set(['saddr', 'daddr', 'iif', 'oif', 'sport', 'other']);

/** An accept that names the state and narrows it by something that the probe leaves open: an address, a set. */
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
    detail: `${listed(found)}: notrack: such connections have no helper. Exempt the control connections from it.`,
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
    detail: `${listed(found)} set a zone: a zone on the control connection alone breaks the data connection; set it for all traffic`,
  };
}

function flowOffload(view: RulesetView): Diagnosis {
  const found = places(view, ({ action }) => action?.kind === 'flow');
  if (found.length === 0) return { check: 'flow offload', result: 'ok', detail: 'none' };
  return {
    check: 'flow offload',
    result: 'problem',
    detail: `${listed(found)} offload connections: their packets pass helpers by. Keep control connections out of it, by their ports.`,
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
    detail: `${listed(found)} assign helpers too: of two for one connection the first wins, and raw (iptables -j CT) comes before ours`,
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
