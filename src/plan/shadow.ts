import type { DesiredHelper } from '../contract/helper.ts';
import { formatNetwork, type Network, parseNetwork } from '../model/address.ts';
import type { Family, KernelHelper } from '../model/catalogue.ts';
import type { Table } from '../model/table.ts';
import { type Packet, trace } from './tracer.ts';

/** What other helpers of a router take of a helper's connections; `types`: the kernel's types that these get instead. */
export interface Shadow {
  readonly taken: 'nothing' | 'some' | 'all';
  readonly types: readonly string[];
}

/** A helper, the kernel's helper behind it, and the families in which this kernel has it. */
export interface Candidate {
  readonly helper: DesiredHelper;
  readonly kernel: KernelHelper;
  readonly families: readonly Family[];
}

/** How many rules may still be looked at on behalf of one request; each question takes its part. */
export interface Steps {
  left: number;
}

/** Most rules that one request may look at: some tens of milliseconds. What does not fit is not known. */
const MAX_STEPS = 40_000;
/** What it takes to make one rule, and to compare its scope with another, in rules that are looked at. */
const STEPS_A_RIVAL = 100;

/** The steps of a new request. */
export function newSteps(): Steps {
  return { left: MAX_STEPS };
}

/**
 * Sends one packet from each part of the candidate's scope through the table, and looks at which helper it gets. Within a part, all packets
 * get the same: its borders are the borders of all scopes. So the answer holds for every packet.
 * @param rivals the router's other helpers for the candidate's protocol and port
 * @param table makes the table of a router with the candidate and these
 */
export function shadowOf(candidate: Candidate, rivals: readonly DesiredHelper[], table: () => Table | null, steps: Steps): Shadow | null {
  if (rivals.length === 0) return { taken: 'nothing', types: [] };
  if (!take(steps, rivals.length * STEPS_A_RIVAL)) return null;
  const flows = candidate.families.map((family) => flowsIn(family, candidate, rivals));
  const packets = flows.reduce((sum, { count }) => sum + count, 0);
  if (!take(steps, packets * (rivals.length + 1))) return null;
  const made = table();
  const types = new Set<string | null>();
  for (const { all } of flows) for (const packet of all()) types.add(trace(made, packet));
  const own = types.delete(candidate.kernel.type);
  const others = [...types].filter((type) => type !== null).sort();
  return { taken: types.size === 0 ? 'nothing' : own ? 'some' : 'all', types: others };
}

/** @returns whether there were so many left */
function take(steps: Steps, count: number): boolean {
  if (count > steps.left) return false;
  steps.left -= count;
  return true;
}

/** Packets of one family, made one by one when they are asked for. */
interface Flows {
  readonly count: number;
  readonly all: () => Generator<Packet>;
}

/** One packet from each part of the candidate's scope, in one family. None for a helper that can see no packet in its scope. */
function flowsIn(family: Family, { helper, kernel }: Candidate, rivals: readonly DesiredHelper[]): Flows {
  const { protocol } = kernel;
  const [sources, destinations] = [corners(family, 'source', helper, rivals), corners(family, 'destination', helper, rivals)];
  const entries = entriesOf(helper, kernel, rivals);
  return {
    count: sources.length * destinations.length * entries.length,
    *all() {
      for (const source of sources)
        for (const destination of destinations)
          for (const entry of entries) yield { ...entry, protocol, source, destination, port: helper.port };
    },
  };
}

type Entry = Pick<Packet, 'hook' | 'inInterface'>;

/** The ways in which packets reach the rules that assign the helper. */
function entriesOf({ scope }: DesiredHelper, { localOnly }: KernelHelper, rivals: readonly DesiredHelper[]): Entry[] {
  const only = scope?.inInterface ?? null;
  const named = only === null ? [...new Set(rivals.flatMap((rival) => rival.scope?.inInterface ?? []))] : [only];
  const entering = localOnly ? [] : named.map((inInterface): Entry => ({ hook: 'prerouting', inInterface }));
  if (only !== null) return entering;
  return [...entering, ...(localOnly ? [] : [{ hook: 'prerouting' } as const]), { hook: 'output' }];
}

/** The first address of each part into which the borders of all scopes divide the candidate's own network. */
function corners(family: Family, side: 'source' | 'destination', helper: DesiredHelper, rivals: readonly DesiredHelper[]): string[] {
  const all = family === 'ipv4' ? '0.0.0.0/0' : '::/0';
  const networks = [helper, ...rivals].map(({ scope }) => parseNetwork(scope?.[side] ?? all, side));
  const [own, ...others] = networks.filter((network) => network.family === family).map(range);
  if (!own) return [];
  const starts = others.flatMap(({ first, last }) => [first, last + 1n]).filter((start) => start > own.first && start <= own.last);
  const width = family === 'ipv4' ? 4 : 16;
  return [...new Set([own.first, ...starts])].map((start) => addressOf(start, family, width));
}

function range({ bytes, prefix }: Network): { first: bigint; last: bigint } {
  const first = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { first, last: first + (1n << BigInt(bytes.length * 8 - prefix)) - 1n };
}

function addressOf(value: bigint, family: Family, width: number): string {
  const bytes = Array.from({ length: width }, (_, index) => Number((value >> BigInt(8 * (width - 1 - index))) & 0xffn));
  return formatNetwork({ family, bytes, prefix: width * 8 });
}
