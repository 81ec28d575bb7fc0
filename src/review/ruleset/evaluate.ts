import type { Family } from '../../model/catalogue.ts';
import { lookUp } from '../../model/look-up.ts';
import type { Chain, Match, Rule } from './model.ts';
import { costOf } from './reach.ts';
import type { RulesetView } from './view.ts';

/** A packet that somebody sends from wherever suits them: addresses and interfaces are theirs to choose. */
export interface Probe {
  readonly family: Family;
  readonly hook: 'forward' | 'input';
  readonly state: 'new' | 'related' | 'established';
  /** Helper of its connection's master; null for none. */
  readonly helper: string | null;
  readonly protocol: string;
  readonly port: number;
}

export interface Step {
  readonly chain: Chain;
  /** null: the chain's policy. */
  readonly rule: Rule | null;
}

export interface Outcome {
  readonly verdict: 'accept' | 'drop';
  /** What decided, chain by chain. */
  readonly steps: readonly Step[];
  /** Rules that may drop it after all: they look at something that cannot be seen here. */
  readonly doubts: readonly Rule[];
}

interface Walk {
  readonly interfaces: { readonly iif: string | null; readonly oif: string | null };
  readonly doubts: Rule[];
  /** What a chain came to, by the interfaces that were chosen before: chains call each other in many ways. */
  readonly seen: Map<Chain, Map<string, Result>>;
}

type Result = { readonly verdict: 'accept' | 'drop'; readonly steps: readonly Step[]; readonly walk: Walk } | null;

const MAX_DEPTH = 16;

/** A port of a service that no helper's data connection goes to. */
export const LOW_PORT = 22;

/**
 * What becomes of a packet at a hook: every base chain there, in order. Rules that narrow by address, or by something unknown,
 * are taken not to match: whoever attacks is elsewhere. An interface is taken to be the one that lets the packet through.
 */
export function evaluate(view: RulesetView, probe: Probe): Outcome {
  const steps: Step[] = [];
  let walk = newWalk();
  for (const chain of view.baseChains(probe.hook, probe.family)) {
    const result = walkChain(view, { chain, probe, depth: 0 }, walk);
    const verdict = result?.verdict ?? chain.base?.policy ?? 'accept';
    steps.push(...(result?.steps ?? [{ chain, rule: null }]));
    if (verdict === 'drop') return { verdict, steps, doubts: walk.doubts };
    walk = result?.walk ?? walk;
  }
  return { verdict: 'accept', steps, doubts: walk.doubts };
}

function newWalk(): Walk {
  return { interfaces: { iif: null, oif: null }, doubts: [], seen: new Map() };
}

/** One that is being walked already decides nothing: the kernel refuses loops. */
function walkOnce(view: RulesetView, at: { chain: Chain; probe: Probe; depth: number }, start: Walk): Result {
  const key = `${start.interfaces.iif}\0${start.interfaces.oif}`;
  const results = start.seen.get(at.chain) ?? new Map<string, Result>();
  start.seen.set(at.chain, results);
  const known = results.get(key);
  if (known !== undefined) return known;
  results.set(key, null);
  const result = walkChain(view, at, start);
  results.set(key, result);
  return result;
}

function walkChain(view: RulesetView, at: { chain: Chain; probe: Probe; depth: number }, walk: Walk): Result {
  for (const rule of at.chain.rules) {
    const { action } = rule;
    view.spend(1);
    if (!action) continue;
    const isDrop = action.kind === 'drop';
    view.spend(costOf(rule));
    const matched = matchRule(rule, at.probe, walk);
    if (matched === 'unknown' && isDrop) walk.doubts.push(rule);
    if (matched === 'no' || matched === 'unknown') continue;
    // The sender takes another way in than one that is dropped there, if the rule names one.
    if (isDrop && (rule.limited || matched !== walk)) continue;
    if (action.kind === 'accept' || isDrop)
      return { verdict: action.kind === 'accept' ? 'accept' : 'drop', steps: [{ chain: at.chain, rule }], walk: matched };
    if (action.kind === 'return') return null;
    const next = view.target(at.chain, action);
    if (!next || at.depth >= MAX_DEPTH) continue;
    const inner = walkOnce(view, { chain: next, probe: at.probe, depth: at.depth + 1 }, matched);
    if (inner && (inner.verdict === 'accept' || matched === walk)) return { ...inner, steps: [{ chain: at.chain, rule }, ...inner.steps] };
    if (action.kind === 'goto' && matched === walk) return null;
  }
  return null;
}

/** 'no', 'unknown', or the walk as it goes on: another one where the rule decides on an interface. */
function matchRule(rule: Rule, probe: Probe, walk: Walk): 'no' | 'unknown' | Walk {
  let current = walk;
  let unknown = false;
  for (const one of rule.matches) {
    const matched = matchOne(one, probe, current);
    if (matched === 'no') return 'no';
    if (matched === 'unknown') unknown = true;
    else current = matched;
  }
  return unknown ? 'unknown' : current;
}

function matchOne(one: Match, probe: Probe, walk: Walk): 'no' | 'unknown' | Walk {
  const decide = (matches: boolean) => (matches !== one.negated ? walk : 'no');
  switch (one.key) {
    case 'state':
      return decide(one.values?.includes(probe.state) ?? false);
    case 'status':
      return decide(probe.state === 'related' && (one.values?.includes('expected') ?? false));
    case 'helper':
      return decide(probe.helper !== null && (one.values === null || one.values.includes(probe.helper)));
    case 'nfproto':
      return decide(one.values?.includes(probe.family) ?? true);
    case 'l4proto':
      return decide(one.values?.some((value) => protocolName(value) === probe.protocol || value === 'all') ?? true);
    case 'dport':
      return one.ranges === null ? 'unknown' : decide(one.ranges.some(([from, to]) => probe.port >= from && probe.port <= to));
    case 'iif':
    case 'oif':
      return matchInterface(one, one.key, walk);
    case 'sport':
      return 'no';
    case 'saddr':
    case 'daddr':
      // Anybody else's address: a negated match holds.
      return one.negated && one.values !== null ? walk : 'no';
    case 'rpfilter':
      return 'no';
    case 'other':
      return 'unknown';
  }
}

/** Whether some packet like the probe, from some address over some interface, could match a rule. */
export function couldMatch(view: RulesetView, rule: Rule, probe: Probe): boolean {
  view.spend(1 + costOf(rule));
  const walk = newWalk();
  const free = new Set<Match['key']>(['saddr', 'daddr', 'iif', 'oif', 'sport', 'other', 'status']);
  return rule.matches.every((one) => free.has(one.key) || matchOne(one, probe, walk) !== 'no');
}

function matchInterface(one: Match, key: 'iif' | 'oif', walk: Walk): 'no' | Walk {
  const chosen = walk.interfaces[key];
  if (one.values === null) return 'no';
  const named = (name: string) =>
    one.values?.some((value) => value === name || (/[+*]$/.test(value) && name.startsWith(value.slice(0, -1)))) ?? false;
  if (chosen !== null) return named(chosen) !== one.negated ? walk : 'no';
  if (one.negated) return walk;
  const [first] = one.values;
  return first === 'lo' || first === undefined ? 'no' : { ...walk, interfaces: { ...walk.interfaces, [key]: first } };
}

function protocolName(value: string): string {
  return lookUp({ '6': 'tcp', '17': 'udp', '47': 'gre' }, value) ?? value.toLowerCase();
}
