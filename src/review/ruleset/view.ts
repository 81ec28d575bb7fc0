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

/** What is known of the host that a ruleset is for. */
export interface HostFacts {
  /** Like '6.1.0'; null where nobody said. */
  readonly kernel: string | null;
  /** `net.netfilter.nf_conntrack_expect_max` → '4096'. */
  readonly sysctls: ReadonlyMap<string, string>;
}

export const NO_HOST: HostFacts = { kernel: null, sysctls: new Map() };

/** A helper that something assigns to connections: a rule, or an option of a firewall program. */
export interface Assignment {
  /** The kernel's type, as written. */
  readonly type: string;
  readonly protocol: string | null;
  /** null: any port. */
  readonly ports: readonly (readonly [number, number])[] | null;
  readonly families: readonly Family[];
  /** Whether it is narrowed by where connections come from (address or interface), or go to. */
  readonly source: boolean;
  readonly destination: boolean;
  readonly line: number;
  readonly text: string;
  /** Where the rule stands; null for an option of a firewall program. */
  readonly place: Place | null;
  /** The rule that every packet which it is for ends at, before it comes to this one; null: it is reached. */
  readonly endedBy: Stop | null;
  /** Only says what is assigned where something else names it: a service of firewalld. */
  readonly isDefinition: boolean;
}

export interface Place {
  readonly chain: Chain;
  readonly rule: Rule;
  /** The base chain that leads there, with the jumps on the way. */
  readonly base: Base;
  readonly baseChain: Chain;
  readonly path: readonly Rule[];
  readonly matches: readonly Match[];
  /** `l3proto` of the object; null: the rule itself names the helper (iptables). */
  readonly l3proto: string | null;
  /** Of the object: what the connection has to be. */
  readonly objectProtocol: string | null;
}

interface Context {
  readonly base: Chain;
  readonly path: readonly Rule[];
  readonly matches: readonly Match[];
}

/** Bounds on chains that call each other in many ways. */
const MAX_DEPTH = 16;
const MAX_CONTEXTS = 32;
/** Steps that putting an assignment together is worth. */
const ASSIGNMENT = 40;

/** A ruleset with what follows from it, computed once. */
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

  /** @param others assignments that are not rules: options of a firewall program */
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

  /** For what goes through rules or their values: once for each. @throws OutOfSteps */
  spend(steps: number): void {
    this.#budget.spend(steps);
  }

  /** The ways in which packets come to a chain. */
  contextsOf(chain: Chain): readonly Context[] {
    this.#budget.spend();
    return this.#contexts.get(chain) ?? [];
  }

  target(chain: Chain, action: Action): Chain | null {
    this.#budget.spend();
    if (action.kind !== 'jump' && action.kind !== 'goto') return null;
    return this.#chains.get(chainKey({ ...chain, name: action.chain })) ?? null;
  }

  /** Base chains at a hook that packets of a family pass, in the order of the kernel. */
  baseChains(hook: string, family: Family): Chain[] {
    this.#budget.spend(this.ruleset.chains.length);
    return this.ruleset.chains
      .filter((chain) => chain.base?.hook === hook && chain.base.type !== 'nat' && sees(chain, family))
      .sort((a, b) => (a.base as Base).priority - (b.base as Base).priority);
  }

  /** Each assignment once, however many ways lead to its rule. */
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

  /** `inet fw forward`, with the rule's number there. */
  symbol(chain: Chain, rule?: Rule): string {
    this.#budget.spend();
    const name = `${chain.family} ${chain.table} ${chain.name}`;
    if (!rule) return name;
    return rule.nftHandle === null ? `${name} rule ${this.#number(chain, rule)}` : `${name} handle ${rule.nftHandle}`;
  }

  /** What is computed once for the whole ruleset. */
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

  /** Rules of a chain from 1; the entries of one verdict map are one. */
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

  #assignmentsIn(chain: Chain, context: Context): Assignment[] {
    this.#budget.spend(chain.rules.length);
    return chain.rules.flatMap((rule) => {
      if (rule.action?.kind !== 'set-helper' && rule.action?.kind !== 'map-helper') return [];
      const entries = rule.action.kind === 'map-helper' ? rule.action.entries : [[null, rule.action.object] as const];
      return entries.flatMap(([port, object]) => this.#assignment({ chain, rule, context }, { port, object }) ?? []);
    });
  }

  /** What ends the way to a rule, chain by chain from the base chain on. */
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

export function sees(chain: Chain, family: Family): boolean {
  return chain.family === 'inet' || chain.family === (family === 'ipv4' ? 'ip' : 'ip6');
}

function only(matches: readonly Match[], key: Match['key']): string | null {
  const found = matches.find((one) => one.key === key && !one.negated && one.values?.length === 1);
  return found?.values?.[0]?.toLowerCase() ?? null;
}

function familiesOf(chain: Chain, matches: readonly Match[], l3proto: string | null): Family[] {
  return FAMILIES.filter((family) => {
    if (!sees(chain, family)) return false;
    if (l3proto !== null && l3proto !== 'inet' && l3proto !== (family === 'ipv4' ? 'ip' : 'ip6')) return false;
    return matches.every(({ key, values, negated }) => key !== 'nfproto' || values === null || values.includes(family) !== negated);
  });
}

/** What the catalogue knows of an assignment's helper; null: no kernel has one of this type and protocol. */
export function kernelHelper({ type, protocol }: Pick<Assignment, 'type' | 'protocol'>): KernelHelper | null {
  return KERNEL_HELPERS.find((helper) => helper.type === type && (protocol === null || helper.protocol === protocol)) ?? null;
}

/**
 * Whether connections get it: by itself, in a rule that they come to, and where conntrack has seen the packet by then (below, a helper is set on nothing;
 * iptables' CT target works otherwise).
 */
export function takesEffect({ place, endedBy, isDefinition }: Assignment): boolean {
  return !isDefinition && !endedBy && !isBeforeConntrack(place);
}

/** Whether nft sets it where there may be no connection yet. */
export function isBeforeConntrack(place: Place | null): place is Place {
  return place !== null && place.l3proto !== null && place.base.priority <= CONNTRACK_PRIORITY;
}

/** `tcp port 21`, `udp ports 5060-5061`, `any port`. */
export function portText({ protocol, ports }: Pick<Assignment, 'protocol' | 'ports'>): string {
  if (!ports) return `${protocol ?? 'any protocol'}, any port`;
  const text = ports.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(', ');
  return `${protocol ?? 'tcp or udp'} port${ports.length > 1 || ports[0]?.[0] !== ports[0]?.[1] ? 's' : ''} ${text}`;
}
