import { type DataProtocol, H245, KERNEL_HELPERS, type KernelHelper, type Protocol } from './catalogue.ts';
import { BASE_CHAINS, CHAINS, CONFINING_CHAINS } from './layout.ts';
import type { Action, Chain, HelperObject, Match, Rule, Table } from './table.ts';

/**
 * The one form in which Pinhole writes a table: {@link tableContent} writes it, {@link formOf} reads it back. `plan` decides what is
 * assigned; the kernel process takes a table only if it is what `tableContent` makes of what `formOf` finds in it. The cost of a packet is
 * therefore bounded by the number of helpers: at most one rule of each scoped helper, and one map lookup a protocol.
 */

/** Limits of an assignment to some of a router's traffic; null: that part does not matter. */
export interface AssignmentScope {
  readonly source: string | null;
  readonly destination: string | null;
  readonly inInterface: string | null;
}

/** The assignment of a helper to the connections to one port. */
export interface Assignment {
  readonly object: HelperObject;
  readonly port: number;
  /** Null for all of the router's traffic. */
  readonly scope: AssignmentScope | null;
}

/** Limits of related connections. Rates are connections per second. */
export interface Confining {
  readonly blockedPorts: readonly number[];
  readonly ratePerSecond: number;
}

/** What a table says. Of assignments that a connection matches, the first scoped one counts, then the one without a scope. */
export interface TableForm {
  readonly assignments: readonly Assignment[];
  /** Null: related connections are not confined. */
  readonly confinement: Confining | null;
}

type Content = Pick<Table, 'objects' | 'chains'>;

/** Returns the content of a table that says this. */
export function tableContent({ assignments, confinement }: TableForm): Content {
  const objects = new Map(assignments.map(({ object }) => [object.name, object]));
  const forwarded = assignments.filter((one) => kernelOf(one)?.localOnly !== true);
  const local = assignments.filter((one) => kernelOf(one)?.localOnly === true);
  const chains: Chain[] = [];
  if (forwarded.length > 0) chains.push({ name: CHAINS.assign, rules: assignRules(forwarded) });
  if (local.length > 0) chains.push({ name: CHAINS.assignLocal, rules: assignRules(local) });
  const present = new Set(chains.map(({ name }) => name));
  for (const { name, base, jumps } of BASE_CHAINS) {
    const rules = jumps.filter((chain) => present.has(chain)).map(jumpOnNew);
    if (rules.length > 0) chains.push({ name, base, rules });
  }
  if (confinement && forwarded.length > 0) chains.push(...confiningChains(forwarded, confinement));
  return { objects: [...objects.values()].sort((a, b) => compare(a.name, b.name)), chains };
}

/** Returns what a table of Pinhole's says. A table of another form says less than it holds, or null. */
export function formOf({ objects, chains }: Content): TableForm | null {
  const byName = new Map(objects.map((object) => [object.name, object]));
  const assignments: Assignment[] = [];
  for (const { name, rules } of chains) {
    if (name !== CHAINS.assign && name !== CHAINS.assignLocal) continue;
    for (const rule of rules) {
      const found = assignmentsOf(rule, byName);
      if (!found) return null;
      assignments.push(...found);
    }
  }
  return { assignments, confinement: confinementOf(chains) };
}

function kernelOf({ object }: Assignment): KernelHelper | undefined {
  return KERNEL_HELPERS.find((kernel) => kernel.object === object.name);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function jumpOnNew(chain: string): Rule {
  return { matches: [{ kind: 'ct-state', state: 'new' }], action: { kind: 'jump', chain } };
}

/** Returns one rule per scoped helper, followed by one map lookup per protocol, whatever the number of helpers. */
function assignRules(assignments: readonly Assignment[]): Rule[] {
  const rules: Rule[] = assignments.flatMap(({ object, port, scope }) =>
    scope === null
      ? []
      : [
          {
            matches: [...scopeMatches(scope), { kind: 'dport', protocol: object.protocol, port }],
            action: { kind: 'set-helper', object: object.name },
          },
        ],
  );
  for (const protocol of ['tcp', 'udp'] as const) {
    const entries = assignments
      .filter(({ object, scope }) => scope === null && object.protocol === protocol)
      .map(({ object, port }) => [port, object.name] as const)
      .sort((a, b) => a[0] - b[0]);
    if (entries.length > 0) rules.push({ matches: [], action: { kind: 'map-helper', protocol, entries } });
  }
  return rules;
}

function scopeMatches({ inInterface, source, destination }: AssignmentScope): Match[] {
  const matches: Match[] = [];
  if (inInterface) matches.push({ kind: 'in-interface', name: inInterface });
  if (source) matches.push({ kind: 'address', side: 'source', cidr: source });
  if (destination) matches.push({ kind: 'address', side: 'destination', cidr: destination });
  return matches;
}

/** The assignments that a rule makes; null if it is none of {@link assignRules}. */
function assignmentsOf({ matches, action }: Rule, objects: ReadonlyMap<string, HelperObject>): Assignment[] | null {
  const to = (name: string, port: number, scope: AssignmentScope | null): Assignment[] => {
    const object = objects.get(name);
    return object ? [{ object, port, scope }] : [];
  };
  switch (action.kind) {
    case 'map-helper': {
      const found = action.entries.flatMap(([port, name]) => to(name, port, null));
      return found.length === action.entries.length ? found : null;
    }
    case 'set-helper': {
      const last = matches.at(-1);
      const found = to(action.object, last?.kind === 'dport' ? last.port : 0, scopeOf(matches));
      return found.length === 1 ? found : null;
    }
    default:
      return null;
  }
}

function scopeOf(matches: readonly Match[]): AssignmentScope {
  const scope = { inInterface: null as string | null, source: null as string | null, destination: null as string | null };
  for (const match of matches) {
    if (match.kind === 'in-interface') scope.inInterface = match.name;
    if (match.kind === 'address') scope[match.side] = match.cidr;
  }
  return scope;
}

/**
 * Returns one chain per data protocol, and the base chains that jump to them by the helper of the master connection. H.323 helpers
 * open channels that in turn have helpers (RAS → Q.931 → H.245), so that these are confined too.
 */
function confiningChains(assignments: readonly Assignment[], confinement: Confining): Chain[] {
  const data = new Map<string, DataProtocol>(assignments.flatMap((one) => dataOf(kernelOf(one))));
  if (data.has('RAS')) for (const [type, protocol] of dataOf(KERNEL_HELPERS.find(({ type }) => type === 'Q.931'))) data.set(type, protocol);
  if (data.has('Q.931')) data.set(H245.type, H245.data);
  const entries = [...data].map(([type, protocol]) => [type, dataChain(protocol)] as const).sort((a, b) => compare(a[0], b[0]));
  const protocols = [...new Set(data.values())].sort();
  const action: Action = { kind: 'jump-by-helper', entries };
  const rules: Rule[] = [{ matches: [{ kind: 'ct-state', state: 'related' }], action }];
  return [
    ...protocols.map((protocol) => ({ name: dataChain(protocol), rules: dataRules(protocol, confinement) })),
    ...CONFINING_CHAINS.map(({ name, base }) => ({ name, base, rules })),
  ];
}

function dataOf(kernel: KernelHelper | undefined): [string, DataProtocol][] {
  return kernel ? [[kernel.type, kernel.data]] : [];
}

function dataChain(protocol: DataProtocol): string {
  return `data-${protocol}`;
}

/** Ports below this one need privileges to listen on (`ip_unprivileged_port_start`, net/ipv4/af_inet.c). */
const FIRST_UNPRIVILEGED_PORT = 1024;

/**
 * Ports of services that speak TCP alone (kubelet, RabbitMQ's management, MongoDB), in the ranges from which telephones take ports for
 * media over UDP. A call whose media has one of them would be silent.
 */
const MEDIA_PORTS: ReadonlySet<number> = new Set([10250, 15672, 27017]);
const isNoPortOfMedia = (port: number): boolean => !MEDIA_PORTS.has(port);

/**
 * Returns the rules for related connections of one data protocol. They drop other protocols, low and blocked ports, and packets
 * over the rate, except for the media of calls.
 */
function dataRules(data: DataProtocol, { blockedPorts, ratePerSecond }: Confining): Rule[] {
  const drop = (...matches: Match[]): Rule => ({ matches, action: { kind: 'drop' } });
  const over: Match = { kind: 'rate-over', perSecond: ratePerSecond, burst: Math.max(5, Math.ceil(ratePerSecond / 2)) };
  const rate = drop(over);
  if (data === 'gre') return [drop({ kind: 'l4proto', not: true, protocol: 'gre' }), rate];
  const protocols: readonly Protocol[] = data === 'tcp-udp' ? ['tcp', 'udp'] : [data];
  const blocked = [...new Set(blockedPorts)].sort((a, b) => a - b);
  const blockedOver = (protocol: Protocol) => (data === 'tcp-udp' && protocol === 'udp' ? blocked.filter(isNoPortOfMedia) : blocked);
  return [
    drop(...protocols.map((protocol): Match => ({ kind: 'l4proto', not: true, protocol }))),
    ...protocols.map((protocol) => drop({ kind: 'dport-below', protocol, port: FIRST_UNPRIVILEGED_PORT })),
    ...protocols.flatMap((protocol) => {
      const ports = blockedOver(protocol);
      return ports.length > 0 ? [drop({ kind: 'dport-in', protocol, ports })] : [];
    }),
    // Media that flows one way only is related to its last packet: a rate would drop the packets of one call.
    ...(data === 'tcp-udp' ? [drop({ kind: 'l4proto', not: false, protocol: 'tcp' }, over)] : [rate]),
  ];
}

/** The limits that the first chain of {@link dataRules} with ports has, or any; null without one. */
function confinementOf(chains: readonly Chain[]): Confining | null {
  const matches = chains
    .filter(({ base, name }) => !base && name.startsWith(dataChain('' as DataProtocol)))
    .flatMap(({ rules }) => rules)
    .flatMap((rule) => rule.matches);
  const rate = matches.find((match) => match.kind === 'rate-over');
  const blocked = matches.find((match) => match.kind === 'dport-in');
  return rate ? { ratePerSecond: rate.perSecond, blockedPorts: blocked?.ports ?? [] } : null;
}
