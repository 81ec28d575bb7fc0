import type { Operand, Statement, Target, Verdict } from './exact.ts';
import { type Base, type Chain, CONNTRACK_PRIORITY, chainKey, type HelperObject, type Rule, type Ruleset } from './model.ts';
import { entryFor, hasValue, holds, numberOf, type Packet, type Surroundings, type Truth, textOf } from './packet.ts';

/** A chain at work on a packet, and its rule; null: the chain's policy. */
export interface Decision {
  readonly source: RuleSource;
  readonly chain: Chain;
  readonly rule: Rule | null;
}

/** Rules that one program keeps. Chains of one source cannot jump to those of another. */
export interface RuleSource {
  /** Such as `iptables-legacy`; empty: nft shows them. */
  readonly program: string;
  readonly ruleset: Ruleset;
}

/** What a rule did to a packet or its connection, apart from its verdict. */
export type Effect =
  | { readonly kind: 'notrack'; readonly by: Decision }
  /** null: the zone is not known. */
  | { readonly kind: 'zone'; readonly target: Target; readonly zone: number | null; readonly by: Decision }
  | { readonly kind: 'helper'; readonly type: string; readonly by: Decision }
  | { readonly kind: 'nat'; readonly statement: Extract<Statement, { kind: 'nat' }>; readonly by: Decision };

/** The result of sending a packet through the chains of a hook. */
export interface Passage {
  /** `unknown`: it depends on what the walk does not know. */
  readonly verdict: 'accept' | 'drop' | 'unknown';
  /** What decided on a drop, or what may drop the packet. */
  readonly by: Decision | null;
  /** What may translate the packet or exempt it from tracking, so that the rest of its way is not known; null: nothing. */
  readonly turn: Decision | null;
  readonly effects: readonly Effect[];
}

/** As the kernel: NFT_JUMP_STACK_SIZE (net/netfilter/nf_tables.h). */
const MAX_DEPTH = 16;
/** Rules that one packet may visit at a hook: no firewall of a router is as large, and chains that call each other end here. */
const MAX_VISITS = 200_000;

/** The base chains of a hook that see a packet, in the order in which the kernel runs them. */
export interface Hook {
  readonly name: string;
  readonly families: readonly string[];
  /** Of the chain's type `nat`, or of any other. */
  readonly nat: boolean;
  /** Priorities from (inclusive) and to (exclusive). */
  readonly from?: number;
  readonly to?: number;
  /** The device of an ingress or egress hook. */
  readonly device?: string;
}

/** Sends packets through rulesets. A packet's fields are known; what a rule looks at and the packet does not say stays unknown. */
export class PacketWalk {
  readonly #around: Surroundings;
  /** Base chains, in the order of their priorities. */
  readonly #bases: readonly { readonly source: RuleSource; readonly chain: Chain; readonly base: Base }[];
  readonly #chains: ReadonlyMap<RuleSource, ReadonlyMap<string, Chain>>;
  #visits = 0;

  constructor(sources: readonly RuleSource[], around: Surroundings) {
    this.#around = around;
    this.#bases = sources
      .flatMap((source) => source.ruleset.chains.flatMap((chain) => (chain.base ? [{ source, chain, base: chain.base }] : [])))
      .sort((a, b) => a.base.priority - b.base.priority);
    this.#chains = new Map(sources.map((source) => [source, new Map(source.ruleset.chains.map((chain) => [chainKey(chain), chain]))]));
  }

  /** Sends a packet through a hook. It changes the packet's mark and its connection's as the rules do. */
  pass(packet: Packet, hook: Hook): Passage {
    const effects: Effect[] = [];
    let doubt: Decision | null = null;
    let turn: Decision | null = null;
    this.#visits = 0;
    const visit = () => this.#visit();
    for (const { source, chain } of this.#at(hook)) {
      const target = (key: string) => this.#chains.get(source)?.get(key);
      const run = new ChainRun({ source, base: chain, packet, around: this.#around, effects, visit, target });
      const { verdict, by, turn: turned } = run.result();
      turn ??= turned;
      if (verdict === 'drop') return { verdict, by, turn, effects };
      if (verdict === 'unknown') doubt ??= by;
    }
    return { verdict: doubt ? 'unknown' : 'accept', by: doubt, turn, effects };
  }

  /** Whether some chain of these families begins at a hook. */
  hasChains(families: readonly string[]): boolean {
    return this.#bases.some(({ chain }) => families.includes(chain.family));
  }

  #visit(): boolean {
    return ++this.#visits <= MAX_VISITS;
  }

  #at({ name, families, nat, from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY, device }: Hook) {
    return this.#bases.filter(
      ({ chain, base }) =>
        base.hook === name &&
        families.includes(chain.family) &&
        (base.type === 'nat') === nat &&
        base.priority >= from &&
        base.priority < to &&
        (device === undefined || (base.devices?.includes(device) ?? false)),
    );
  }
}

interface RunInput {
  readonly source: RuleSource;
  readonly base: Chain;
  readonly packet: Packet;
  readonly around: Surroundings;
  readonly effects: Effect[];
  /** Counts a visited rule; false: too many. */
  readonly visit: () => boolean;
  /** The chain under a key, of the same source. */
  readonly target: (key: string) => Chain | undefined;
}

/** One base chain and the chains that it calls. */
class ChainRun {
  readonly #in: RunInput;
  /** Decisions that would have ended the walk if an unknown condition had held. */
  #mayAccept: Decision | null = null;
  #mayDrop: Decision | null = null;
  #turn: Decision | null = null;

  constructor(input: RunInput) {
    this.#in = input;
  }

  result(): Omit<Passage, 'effects'> {
    return { ...this.#verdict(), turn: this.#turn };
  }

  #verdict(): Pick<Passage, 'verdict' | 'by'> {
    const { base } = this.#in;
    const end = this.#walk(base, true, 0);
    const decision = end?.decision ?? this.#decision(base, null);
    const accepts = end ? end.accepts : base.base?.policy !== 'drop';
    if (accepts) return this.#mayDrop ? { verdict: 'unknown', by: this.#mayDrop } : { verdict: 'accept', by: decision };
    return this.#mayAccept ? { verdict: 'unknown', by: this.#mayAccept } : { verdict: 'drop', by: decision };
  }

  #decision(chain: Chain, rule: Rule | null): Decision {
    return { source: this.#in.source, chain, rule };
  }

  /** Walks a chain. @param reached whether the packet surely gets here @returns how the walk ended; null: the chain returned */
  #walk(chain: Chain, reached: boolean, depth: number): { accepts: boolean; decision: Decision } | null {
    if (depth > MAX_DEPTH) return null;
    let certain = reached;
    for (const rule of chain.rules) {
      if (!this.#in.visit()) {
        this.#mayDrop ??= this.#decision(chain, rule);
        this.#mayAccept ??= this.#decision(chain, rule);
        return null;
      }
      const outcome = this.#rule(chain, rule, certain);
      if (!outcome) continue;
      const { verdict, sure } = outcome;
      const decision = this.#decision(chain, rule);
      if (verdict.kind === 'return') {
        if (sure) return null;
        certain = false;
      } else if (verdict.kind === 'jump' || verdict.kind === 'goto') {
        const target = this.#in.target(chainKey({ ...chain, name: verdict.chain }));
        const end = target ? this.#walk(target, sure, depth + 1) : null;
        if (end) return end;
        if (verdict.kind === 'goto' && sure) return null;
        if (verdict.kind === 'goto') certain = false;
      } else if (verdict.kind === 'queue') {
        this.#mayDrop ??= decision;
        if (sure) return { accepts: true, decision };
      } else if (verdict.kind !== 'continue') {
        const accepts = verdict.kind === 'accept';
        if (sure) return { accepts, decision };
        if (accepts) this.#mayAccept ??= decision;
        else this.#mayDrop ??= decision;
      }
    }
    return null;
  }

  /** Runs a rule's statements. @returns its verdict, and whether the packet surely gets it; null: none */
  #rule(chain: Chain, rule: Rule, certain: boolean): { verdict: Verdict; sure: boolean } | null {
    let sure = certain;
    for (const statement of rule.exact ?? [{ kind: 'opaque' } as const]) {
      if (statement.kind === 'verdict') return { verdict: statement.verdict, sure };
      if (statement.kind === 'verdict-map') return this.#mapped(statement, sure);
      const truth = this.#truth(statement);
      if (truth === false) return null;
      if (truth === null) sure = false;
      // After a rule that may have accepted, the packet may be gone; the verdict takes that into account by itself.
      this.#effect(statement, this.#decision(chain, rule), sure && this.#mayAccept === null);
    }
    return null;
  }

  #mapped({ key, entries }: Extract<Statement, { kind: 'verdict-map' }>, sure: boolean): { verdict: Verdict; sure: boolean } | null {
    const { packet, around } = this.#in;
    const found = entryFor(key, entries, { packet, around });
    if (found === undefined) return null;
    // Any of its verdicts may apply: one that drops is the one to doubt.
    if (found === null) return { verdict: { kind: 'queue' }, sure: false };
    return { verdict: found, sure };
  }

  #truth(statement: Statement): Truth {
    const { packet, around } = this.#in;
    switch (statement.kind) {
      case 'condition':
        return holds(statement, packet, around);
      // A first packet is within any rate.
      case 'rate':
        return !statement.over;
      case 'connections':
        // The client's others are not known; it has at least these.
        if (packet.connections > statement.count) return statement.over;
        return null;
      case 'opaque':
        return null;
      default:
        return this.#canRun(statement);
    }
  }

  /** A statement whose value the packet lacks, such as a map without an entry for it, ends the rule. */
  #canRun(statement: Statement): Truth {
    const { packet, around } = this.#in;
    const operands =
      statement.kind === 'set'
        ? [statement.value]
        : statement.kind === 'nat'
          ? [statement.address, statement.port]
          : statement.kind === 'helper'
            ? [statement.object]
            : [];
    const found = operands.map((operand) => operand === null || hasValue(operand, packet, around));
    return found.includes(false) ? false : found.includes(null) ? null : true;
  }

  #effect(statement: Statement, by: Decision, sure: boolean): void {
    const { packet, around } = this.#in;
    switch (statement.kind) {
      case 'notrack':
        if (packet.tracked === null) this.#turns({ kind: 'notrack', by }, sure);
        break;
      case 'set':
        this.#set(statement.target, sure ? numberOf(statement.value, packet, around) : null, by);
        break;
      case 'helper':
        if (sure) this.#helper(statement, by);
        break;
      case 'nat':
        this.#turns({ kind: 'nat', statement, by }, sure);
        break;
    }
  }

  /** Something that decides about the rest of the packet's way: where it may happen, that way is not known. The first one counts. */
  #turns(effect: Extract<Effect, { kind: 'notrack' | 'nat' }>, sure: boolean): void {
    const { effects } = this.#in;
    if (sure) effects.push(effect);
    else if (!effects.some(({ kind }) => kind === effect.kind)) this.#turn ??= effect.by;
  }

  #set(target: Target, value: number | null, by: Decision): void {
    const { packet, effects } = this.#in;
    if (target === 'meta mark') packet.mark = value;
    else if (target === 'ct mark') {
      if (packet.tracked) packet.tracked.mark = value;
    } else effects.push({ kind: 'zone', target, zone: value, by });
  }

  /** nft assigns an object of the table to a connection that conntrack has seen; iptables names the helper itself, before. */
  #helper({ object, type }: Extract<Statement, { kind: 'helper' }>, by: Decision): void {
    const { packet, around, effects, source, base } = this.#in;
    if (type !== null) effects.push({ kind: 'helper', type, by });
    if (object === null || packet.tracked === null || (base.base?.priority ?? 0) <= CONNTRACK_PRIORITY) return;
    const name = textOf(object, packet, around);
    const found = source.ruleset.helpers.find((one) => isObject(one, by.chain, name));
    if (found && found.protocol === packet.protocol && serves(found, packet)) effects.push({ kind: 'helper', type: found.type, by });
  }
}

function isObject(one: HelperObject, { family, table }: Chain, name: string | null): boolean {
  return one.family === family && one.table === table && one.name === name;
}

function serves({ l3proto }: HelperObject, { family }: Packet): boolean {
  return l3proto === 'inet' || l3proto === (family === 'ipv4' ? 'ip' : 'ip6');
}

/** The address and port to which a translation leads. null: the packet keeps it, or it is not known. */
export function translationOf(
  { address, port }: { readonly address: Operand | null; readonly port: Operand | null },
  packet: Packet,
  around: Surroundings,
): { address: string | null; port: number | null } {
  return {
    address: address === null ? null : textOf(address, packet, around),
    port: port === null ? null : numberOf(port, packet, around),
  };
}
