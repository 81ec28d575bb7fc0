import { FAMILIES, type Family, KERNEL_HELPERS, type KernelHelper } from '../../model/catalogue.ts';
import { Budget } from '../budget.ts';
import {
  type Action,
  type Base,
  type Chain,
  CONNTRACK_PRIORITY,
  chainKey,
  type HelperObject,
  type Match,
  type Rule,
  type Ruleset,
} from './model.ts';
import { costOf, endingsOf, type Stop, takesAll, type Wanted } from './reach.ts';

/** Facts about the host that a ruleset is for. */
export interface HostFacts {
  /** Release, as `uname -r` prints it; null: unknown. */
  readonly kernel: string | null;
  /** Values by name, such as `net.netfilter.nf_conntrack_expect_max` → `4096`. Settings that were not read are missing. */
  readonly sysctls: ReadonlyMap<string, string>;
}

/** Nothing is known about the host. */
export const NO_HOST: HostFacts = { kernel: null, sysctls: new Map() };

/** A helper that a rule, or an option of a firewall program, assigns to connections. */
export interface Assignment {
  /** The kernel's name of the helper, as the subject has it. */
  readonly type: string;
  readonly protocol: string | null;
  /** Inclusive ranges of destination ports; null: any port, or ports that are unknown. */
  readonly ports: readonly (readonly [number, number])[] | null;
  readonly families: readonly Family[];
  /** Whether a source address or input interface narrows it. */
  readonly source: boolean;
  /** Whether a destination address or output interface narrows it. */
  readonly destination: boolean;
  readonly line: number;
  readonly text: string;
  /** Position of its rule; null: it comes from an option of a firewall program. */
  readonly place: Place | null;
  /** A rule before it that takes every packet it is for; null: packets reach it. */
  readonly endedBy: Stop | null;
  /** Whether it only defines what is assigned where something else refers to it: a service of firewalld. */
  readonly isDefinition: boolean;
}

/** Position of a rule that assigns, on one of the ways to it. */
export interface Place {
  readonly chain: Chain;
  readonly rule: Rule;
  /** The base chain from which the way starts, and the jumps on the way. */
  readonly base: Base;
  readonly baseChain: Chain;
  readonly path: readonly Rule[];
  /** Matches of the jumps and of the rule itself. */
  readonly matches: readonly Match[];
  /** `l3proto` of the object; null: the rule names the helper itself (iptables). */
  readonly l3proto: string | null;
  /** Protocol of the object: the kernel attaches the helper only to connections of it. */
  readonly objectProtocol: string | null;
}

/** One way from a base chain to a chain. */
interface Context {
  readonly base: Chain;
  readonly path: readonly Rule[];
  readonly matches: readonly Match[];
}

/** Bounds on ways through chains that call each other repeatedly. */
const MAX_DEPTH = 16;
const MAX_CONTEXTS = 32;
/** Steps charged for computing an assignment. */
const ASSIGNMENT = 40;

/** A ruleset with derived facts: ways to chains, assignments, and whatever rules memoise. */
export class RulesetView {
  readonly name: string;
  readonly ruleset: Ruleset;
  readonly host: HostFacts;
  readonly assignments: readonly Assignment[];
  readonly #chains: ReadonlyMap<string, Chain>;
  readonly #objects: ReadonlyMap<string, HelperObject>;
  readonly #contexts = new Map<Chain, Context[]>();
  readonly #numbers = new Map<Chain, Map<Rule, number>>();
  readonly #positions = new Map<Chain, ReadonlyMap<Rule, number>>();
  readonly #memo = new Map<string, unknown>();
  readonly #budget: Budget;

  /**
   * @param facts.budget bounds the work; unlimited by default
   * @param facts.others assignments from options of a firewall program, beside those of rules
   * @throws OutOfSteps, Aborted
   */
  constructor(
    name: string,
    ruleset: Ruleset,
    facts: { readonly host: HostFacts; readonly budget?: Budget; readonly others?: readonly Assignment[] },
  ) {
    this.#budget = facts.budget ?? new Budget({ steps: Number.POSITIVE_INFINITY, now: () => 0 });
    this.name = name;
    this.ruleset = ruleset;
    this.host = facts.host;
    this.#objects = new Map(ruleset.helpers.map((helper) => [chainKey(helper), helper]));
    this.#chains = new Map(ruleset.chains.map((chain) => [chainKey(chain), chain]));
    for (const chain of ruleset.chains) if (chain.base) this.#reach(chain, { base: chain, path: [], matches: [] }, 0);
    const assigned = ruleset.chains.flatMap((chain) => this.contextsOf(chain).flatMap((context) => this.#assignmentsIn(chain, context)));
    this.assignments = [...assigned, ...(facts.others ?? [])];
  }

  /** Charges steps for visits to rules or to their values. @throws OutOfSteps, Aborted */
  spend(steps: number): void {
    this.#budget.spend(steps);
  }

  /** The ways to a chain, at most {@link MAX_CONTEXTS}; none: no base chain leads to it. */
  contextsOf(chain: Chain): readonly Context[] {
    this.#budget.spend();
    return this.#contexts.get(chain) ?? [];
  }

  /** The chain to which an action jumps; null: it does not jump, or the chain does not exist. */
  target(chain: Chain, action: Action): Chain | null {
    this.#budget.spend();
    if (action.kind !== 'jump' && action.kind !== 'goto') return null;
    return this.#chains.get(chainKey({ ...chain, name: action.chain })) ?? null;
  }

  /**
   * Base chains at a hook that packets of a family pass, in the order in which the kernel runs them. Chains of type nat are left
   * out.
   */
  baseChains(hook: string, family: Family): Chain[] {
    this.#budget.spend(this.ruleset.chains.length);
    return this.ruleset.chains
      .filter((chain) => chain.base?.hook === hook && chain.base.type !== 'nat' && sees(chain, family))
      .sort((a, b) => (a.base as Base).priority - (b.base as Base).priority);
  }

  /** The assignments without repetitions: each once, however many ways lead to its rule. */
  get distinct(): readonly Assignment[] {
    this.#budget.spend(1 + (this.assignments.length >> 2));
    return this.memo('distinct', () => {
      this.#budget.spend(20 * this.assignments.length);
      const seen = new Set<string>();
      return this.assignments.filter(({ type, line, ports, text, place }) => {
        const key = `${type} ${line} ${JSON.stringify(ports)} ${text} ${place ? this.symbol(place.chain, place.rule) : ''}`;
        return !seen.has(key) && seen.add(key);
      });
    });
  }

  /** The first rule that translates addresses; null: there is none. */
  get nat(): Rule | null {
    return this.memo('nat', () => {
      for (const { rules } of this.ruleset.chains) {
        this.#budget.spend(1 + rules.length);
        const found = rules.find(({ action }) => action?.kind === 'nat');
        if (found) return found;
      }
      return null;
    });
  }

  /** Name of a chain or rule in reports: `inet fw forward`, `inet fw forward rule 3` or `inet fw forward handle 7`. */
  symbol(chain: Chain, rule?: Rule): string {
    this.#budget.spend();
    const name = `${chain.family} ${chain.table} ${chain.name}`;
    if (!rule) return name;
    return rule.nftHandle === null ? `${name} rule ${this.#number(chain, rule)}` : `${name} handle ${rule.nftHandle}`;
  }

  /** A value that is computed once for the ruleset. One key belongs to one type. */
  memo<T>(key: string, make: () => T): T {
    this.#budget.spend();
    if (!this.#memo.has(key)) this.#memo.set(key, make());
    return this.#memo.get(key) as T;
  }

  /** Index of a rule in its chain. */
  #position(chain: Chain, rule: Rule): number {
    const known = this.#positions.get(chain) ?? new Map(chain.rules.map((one, index) => [one, index]));
    this.#positions.set(chain, known);
    return known.get(rule) ?? -1;
  }

  /** Number of a rule in its chain, from 1. The entries of a verdict map share one number. */
  #number(chain: Chain, rule: Rule): number {
    const known = this.#numbers.get(chain);
    if (known) return known.get(rule) ?? 0;
    const numbers = new Map<Rule, number>();
    let count = 0;
    for (const [index, one] of chain.rules.entries()) {
      const before = chain.rules[index - 1];
      if (!before || before.line !== one.line || before.text !== one.text) count++;
      numbers.set(one, count);
    }
    this.#numbers.set(chain, numbers);
    return numbers.get(rule) ?? 0;
  }

  /** Records a way to a chain, then follows the jumps of the chain. */
  #reach(chain: Chain, context: Context, depth: number): void {
    const known = this.#contexts.get(chain) ?? [];
    if (depth > MAX_DEPTH || known.length >= MAX_CONTEXTS) return;
    this.#budget.spend(chain.rules.length + context.path.length + context.matches.length);
    known.push(context);
    this.#contexts.set(chain, known);
    for (const rule of chain.rules) {
      const next = rule.action && this.target(chain, rule.action);
      if (next && next !== chain)
        this.#reach(next, { base: context.base, path: [...context.path, rule], matches: [...context.matches, ...rule.matches] }, depth + 1);
    }
  }

  /** The assignments of a chain on one way to it. */
  #assignmentsIn(chain: Chain, context: Context): Assignment[] {
    this.#budget.spend(chain.rules.length);
    return chain.rules.flatMap((rule) => {
      if (rule.action?.kind !== 'set-helper' && rule.action?.kind !== 'map-helper') return [];
      const entries = rule.action.kind === 'map-helper' ? rule.action.entries : [[null, rule.action.object] as const];
      return entries.flatMap(([port, object]) => this.#assignment({ chain, rule, context }, { port, object }) ?? []);
    });
  }

  /** The first rule that takes every wanted packet, chain by chain from the base chain; null: packets reach the rule. */
  #endOf({ chain, rule, context }: { chain: Chain; rule: Rule; context: Context }, wanted: Wanted): Stop | null {
    let at = context.base;
    for (const step of [...context.path, rule]) {
      const position = this.#position(at, step);
      const endings = this.#endings(at);
      const end = endings.find((one) => {
        this.#budget.spend(1 + (costOf(one.rule) >> 2));
        return one.index < position && takesAll(one.rule, wanted);
      });
      if (end) return { chain: at, rule: end.rule };
      at = (step.action && this.target(at, step.action)) ?? chain;
    }
    return null;
  }

  #endings(chain: Chain): ReturnType<typeof endingsOf> {
    return this.memo(`endings ${chainKey(chain)}`, () => {
      this.#budget.spend(chain.rules.length);
      return endingsOf(chain.rules);
    });
  }

  /** null: the object that the rule names does not exist. */
  #assignment(
    { chain, rule, context }: { chain: Chain; rule: Rule; context: Context },
    entry: { port: string | null; object: string | null },
  ): Assignment | null {
    const { action } = rule;
    const object = entry.object === null ? undefined : this.#objects.get(`${chain.family} ${chain.table} ${entry.object}`);
    const direct = action?.kind === 'set-helper' ? action.type : null;
    const type = object?.type ?? direct;
    if (type === null || type === undefined) return null;
    const matches = [...context.matches, ...rule.matches];
    this.#budget.spend(ASSIGNMENT + matches.length);
    const fromMap = action?.kind === 'map-helper' && entry.port !== null ? Number(entry.port) : null;
    const narrowed = (...keys: string[]) => matches.some(({ key }) => keys.includes(key));
    const wanted: Wanted = {
      protocol: action?.kind === 'map-helper' ? action.protocol : (only(matches, 'l4proto') ?? object?.protocol ?? null),
      ports: fromMap !== null ? [[fromMap, fromMap]] : (matches.find(({ key, negated }) => key === 'dport' && !negated)?.ranges ?? null),
      families: familiesOf(chain, matches, object?.l3proto ?? null),
      matches,
    };
    return {
      type,
      protocol: wanted.protocol,
      ports: wanted.ports,
      families: wanted.families,
      endedBy: this.#endOf({ chain, rule, context }, wanted),
      source: narrowed('saddr', 'iif', 'other'),
      destination: narrowed('daddr', 'oif', 'other'),
      line: rule.line,
      text: rule.text,
      place: {
        chain,
        rule,
        base: context.base.base as Base,
        baseChain: context.base,
        path: context.path,
        matches,
        l3proto: object?.l3proto ?? null,
        objectProtocol: object?.protocol ?? null,
      },
      isDefinition: false,
    };
  }
}

/** Whether a chain sees packets of a family. */
export function sees(chain: Chain, family: Family): boolean {
  return chain.family === 'inet' || chain.family === (family === 'ipv4' ? 'ip' : 'ip6');
}

/** The single value that positive matches of a key allow; null: several, or none. */
function only(matches: readonly Match[], key: Match['key']): string | null {
  const found = matches.find((one) => one.key === key && !one.negated && one.values?.length === 1);
  return found?.values?.[0]?.toLowerCase() ?? null;
}

/** Families of the connections that a rule matches and its object allows. */
function familiesOf(chain: Chain, matches: readonly Match[], l3proto: string | null): Family[] {
  return FAMILIES.filter((family) => {
    if (!sees(chain, family)) return false;
    if (l3proto !== null && l3proto !== 'inet' && l3proto !== (family === 'ipv4' ? 'ip' : 'ip6')) return false;
    return matches.every(({ key, values, negated }) => key !== 'nfproto' || values === null || values.includes(family) !== negated);
  });
}

/** The catalogue's entry for an assignment; null: no kernel registers a helper of this type and protocol. */
export function kernelHelper({ type, protocol }: Pick<Assignment, 'type' | 'protocol'>): KernelHelper | null {
  return KERNEL_HELPERS.find((helper) => helper.type === type && (protocol === null || helper.protocol === protocol)) ?? null;
}

/** Whether connections get the helper: packets reach the rule, and conntrack has seen them by then. */
export function takesEffect({ place, endedBy, isDefinition }: Assignment): boolean {
  return !isDefinition && !endedBy && !isBeforeConntrack(place);
}

/**
 * Whether nft assigns at a priority at which a packet may have no connection yet. The CT target of iptables works at that
 * priority, because it attaches a template.
 */
export function isBeforeConntrack(place: Place | null): place is Place {
  return place !== null && place.l3proto !== null && place.base.priority <= CONNTRACK_PRIORITY;
}

/** The ports of an assignment in words: `tcp port 21`, `udp ports 5060-5061` or `any protocol, any port`. */
export function portText({ protocol, ports }: Pick<Assignment, 'protocol' | 'ports'>): string {
  if (!ports) return `${protocol ?? 'any protocol'}, any port`;
  const text = ports.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(', ');
  return `${protocol ?? 'tcp or udp'} port${ports.length > 1 || ports[0]?.[0] !== ports[0]?.[1] ? 's' : ''} ${text}`;
}
