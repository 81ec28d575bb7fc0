import { MAX_PORT } from '../contract/primitives.ts';
import type { Family, KernelHelper } from '../model/catalogue.ts';
import type { Admitted, Control, ControlOutcome, Outcome, Path } from './conversation.ts';
import { Conversation } from './conversation.ts';
import type { Described, Describer } from './describe.ts';
import { type DataFlow, flowsOf } from './flows.ts';
import type { Doubt, Router, Stop } from './router.ts';

/** A helper of a namespace, for one address family. */
export interface Checked extends Control, Described {
  readonly family: Family;
  readonly protocol: 'tcp' | 'udp';
  /** null: no kernel has it. */
  readonly kernel: KernelHelper | null;
}

/** Something that was found on one path, in words; `part` is the connection, such as `control` or `passive`. */
export interface Finding {
  readonly part: string;
  readonly result: 'note' | 'problem';
  readonly detail: string;
}

/** What was found on one path. */
export interface PathReport {
  readonly path: Path;
  readonly admitted: Admitted;
  readonly findings: readonly Finding[];
}

/** Ports from here on are announced for data connections. */
const FIRST_PORT = 1024;
/** Ranges of ports that are tried for each connection; a ruleset with more of them has the rest unknown. */
const MAX_RANGES = 64;

/** Inclusive. */
type Range = readonly [number, number];

/** Sends the connections of helpers through a router. */
export class HelperChecker {
  readonly #router: Router;
  readonly #describer: Describer;
  readonly #missingNat: ReadonlySet<string>;
  readonly #ranges: readonly Range[];

  /** @param missingNat NAT modules that are not loaded */
  constructor(router: Router, describer: Describer, missingNat: readonly string[]) {
    this.#router = router;
    this.#describer = describer;
    this.#missingNat = new Set(missingNat);
    this.#ranges = rangesBetween(router.portLimits);
  }

  /** Follows a helper's control connection along a path, and the connections that it expects. */
  along(path: Path, helper: Checked): PathReport {
    const conversation = new Conversation(this.#router, path, helper);
    const control = conversation.open();
    const findings = this.#control(control, helper);
    const isOpen = control.admitted === 'all' && !findings.some(({ result }) => result === 'problem');
    if (isOpen) for (const flow of flowsOf(helper.type)) findings.push(...this.#flow(conversation, flow, helper));
    return { path: { ...path, server: conversation.server }, admitted: control.admitted, findings };
  }

  #control(control: ControlOutcome, helper: Checked): Finding[] {
    const problem = (detail: string): Finding => ({ part: 'control', result: 'problem', detail });
    const stops = control.stops.map((stop) => problem(this.#describer.control(stop, helper)));
    const doubts = this.#doubts('control', control.doubts);
    if (stops.length > 0 || control.admitted !== 'all') return [...stops, ...doubts];
    const module = helper.kernel?.modules.nat ?? null;
    const nat =
      control.isTranslated && module !== null && this.#missingNat.has(module)
        ? [problem(`its addresses are translated, and ${module} is not loaded: run modprobe ${module}`)]
        : [];
    return [...this.#assigned(control, helper).map(problem), ...nat, ...doubts];
  }

  /** What is wrong with the helper that the connection gets. */
  #assigned({ helper: got }: ControlOutcome, { type, protocol, port }: Checked): string[] {
    if (!got) return [`no rule assigns ${type} to it: table inet pinhole does not cover ${protocol} port ${port}`];
    if (got.type === type) return [];
    return [
      `it gets ${got.type} instead of ${type}: ${this.#describer.decision(got.by)} assigns it first, and a connection keeps its first helper. Remove that rule.`,
    ];
  }

  #doubts(part: string, doubts: readonly Doubt[]): Finding[] {
    const details = [...new Set(doubts.map((doubt) => `not known: ${this.#describer.doubt(doubt)}`))];
    return details.slice(0, 3).map((detail) => ({ part, result: 'note', detail }));
  }

  #flow(conversation: Conversation, flow: DataFlow, helper: Checked): Finding[] {
    const standard = this.#tried(conversation, flow, { helper, sport: flow.sport });
    if (flow.sport === null || standard.some(({ result }) => result === 'problem')) return standard;
    const other = this.#tried(conversation, flow, { helper, sport: null }).filter(({ result }) => result === 'problem');
    const notes = other.map(
      ({ detail }): Finding => ({ part: flow.name, result: 'note', detail: `from other ports than ${flow.sport}: ${detail}` }),
    );
    return [...standard, ...notes];
  }

  /** Tries a connection with all ports that may be announced. */
  #tried(conversation: Conversation, flow: DataFlow, { helper, sport }: { helper: Checked; sport: number | null }): Finding[] {
    const ranges = flow.dport === 'announced' ? this.#ranges : [null];
    const tries = ranges.map((range) => ({
      range,
      outcome: conversation.expect(flow, helper.type, { sport, dport: range?.[0] ?? null }),
    }));
    // Pinhole's own confinement keeps some ports closed on purpose.
    const others = tries.filter(({ outcome }) => !outcome.stops.some(isOwnRule));
    const counted = others.length > 0 ? others : tries;
    const stopped = counted.filter(({ outcome }) => outcome.stops.length > 0);
    if (stopped.length === 0)
      return this.#doubts(
        flow.name,
        counted.flatMap(({ outcome }) => outcome.doubts),
      );
    const [first] = stopped.map(({ outcome }) => this.#stopped(outcome, helper));
    if (stopped.length === counted.length) return [{ part: flow.name, result: 'problem', detail: first ?? '' }];
    const ports = stopped.flatMap(({ range }) => (range ? [range] : []));
    const detail = `not known: connections to ports ${portsText(ports)} are stopped, and those to others pass. ${first}`;
    return [{ part: flow.name, result: 'note', detail }];
  }

  #stopped({ stops }: Outcome, helper: Checked): string {
    return this.#describer.data(stops[0] as Stop, helper);
  }
}

function isOwnRule(stop: Stop): boolean {
  return stop.kind === 'rule' && isOwnTable(stop.by.chain);
}

/** Whether a table is the one that Pinhole writes. */
export function isOwnTable({ family, table }: { readonly family: string; readonly table: string }): boolean {
  return family === 'inet' && table === 'pinhole';
}

/** The announced ports, cut where some rule begins or ceases to apply. */
function rangesBetween(limits: readonly number[]): Range[] {
  const starts = [FIRST_PORT, ...limits.filter((limit) => limit > FIRST_PORT && limit <= MAX_PORT)];
  const ranges = starts.map((from, index): Range => [from, (starts[index + 1] ?? MAX_PORT + 1) - 1]);
  // The widest are those that a server most likely announces.
  return ranges
    .sort((a, b) => b[1] - b[0] - (a[1] - a[0]))
    .slice(0, MAX_RANGES)
    .sort((a, b) => a[0] - b[0]);
}

/** Ranges that touch become one; at most five are named. */
function portsText(ranges: readonly Range[]): string {
  const merged: [number, number][] = [];
  for (const [from, to] of ranges) {
    const last = merged.at(-1);
    if (last && last[1] === from - 1) last[1] = to;
    else merged.push([from, to]);
  }
  const texts = merged.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`));
  return texts.length > 5 ? `${texts.slice(0, 5).join(', ')} and others` : texts.join(', ');
}
