import type { Family } from '../../model/catalogue.ts';
import { lookUp } from '../../model/look-up.ts';
import type { Chain, Match, Rule } from './model.ts';
import { costOf } from './reach.ts';
import type { RulesetView } from './view.ts';

/** A packet of an attacker, who chooses addresses and interfaces so that the packet passes. */
export interface Probe {
  readonly family: Family;
  readonly hook: 'forward' | 'input';
  readonly state: 'new' | 'related' | 'established';
  /** Helper of the master connection; null: none. */
  readonly helper: string | null;
  readonly protocol: string;
  readonly port: number;
}

/** A rule, or policy, that decided. */
export interface Step {
  readonly chain: Chain;
  /** null: the chain's policy. */
  readonly rule: Rule | null;
}

/** The result of sending a probe through a hook. */
export interface Outcome {
  readonly verdict: 'accept' | 'drop';
  /** The deciding rule of each base chain, with the jumps that led to it. */
  readonly steps: readonly Step[];
  /** Rules that might drop the packet after all: they match on something that the evaluator does not model. */
  readonly doubts: readonly Rule[];
}

/** State of a walk through the chains of one hook. */
interface Walk {
  /** Interfaces that earlier rules committed the packet to; null: still free. */
  readonly interfaces: { readonly iif: string | null; readonly oif: string | null };
  readonly doubts: Rule[];
  /** Results of chains, by the interfaces chosen before. Without it, chains that call each other take exponential time. */
  readonly seen: Map<Chain, Map<string, Result>>;
}

/** null: the chain returned without a verdict. */
type Result = { readonly verdict: 'accept' | 'drop'; readonly steps: readonly Step[]; readonly walk: Walk } | null;

/** As the kernel: NFT_JUMP_STACK_SIZE (net/netfilter/nf_tables.h). */
const MAX_DEPTH = 16;

/** A service port below 1024 (ssh). No data connection of a helper uses it. */
export const LOW_PORT = 22;

/**
 * Sends a packet through all base chains of its hook, in order of priority. A rule that matches on an address or on something
 * unknown is taken not to match, because the attacker picks another address. An interface is taken to be the one that lets the
 * packet through.
 * @throws OutOfSteps, Aborted
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

/** Walks a chain unless its result is known. A chain that is being walked decides nothing; the kernel refuses loops anyway. */
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

/** Walks a chain in order of its rules. `walk` is the state on entry; a result carries the state on exit. */
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
    // A drop that depends on an interface, or on a limit, does not stop an attacker who uses another interface, or fewer packets.
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

/** 'no', 'unknown', or the walk to go on with: a new one if the rule commits the packet to an interface. */
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

/** The same for one match. */
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
      // The attacker's address is none of those listed, so a negated match holds.
      return one.negated && one.values !== null ? walk : 'no';
    case 'rpfilter':
      return 'no';
    case 'other':
      return 'unknown';
  }
}

/**
 * Whether some packet with the protocol, port and state of the probe could match a rule: addresses, interfaces and unknown
 * matches are free.
 */
export function couldMatch(view: RulesetView, rule: Rule, probe: Probe): boolean {
  view.spend(1 + costOf(rule));
  const walk = newWalk();
  const free = new Set<Match['key']>(['saddr', 'daddr', 'iif', 'oif', 'sport', 'other', 'status']);
  return rule.matches.every((one) => free.has(one.key) || matchOne(one, probe, walk) !== 'no');
}

/** An interface match: a free interface is bound to the first name of the list. */
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

/** The name of a protocol that may be given by its number (IANA protocol numbers). */
function protocolName(value: string): string {
  return lookUp({ '6': 'tcp', '17': 'udp', '47': 'gre' }, value) ?? value.toLowerCase();
}
