import { createHash } from 'node:crypto';
import type { Capabilities } from '../contract/agent.ts';
import type { Confinement } from '../contract/confinement.ts';
import type { DesiredRouter, Refused } from '../contract/desired-router.ts';
import type { DesiredHelper } from '../contract/helper.ts';
import { type Scope, scopeFamily } from '../contract/scope.ts';
import type { FamilyStatus, HelperStatus } from '../contract/status.ts';
import { parseNetwork } from '../model/address.ts';
import {
  capabilityKey,
  type DataProtocol,
  FAMILIES,
  type Family,
  findKernelHelper,
  H245,
  KERNEL_HELPERS,
  type KernelHelper,
  type Protocol,
} from '../model/catalogue.ts';
import { type Action, type Chain, formatStamp, type HelperObject, type Match, type Rule, type Table } from '../model/table.ts';
import { BASE_CHAINS, CHAINS, FORWARD_CONFINE } from './layout.ts';
import { contentText } from './text.ts';

/** The result of {@link render}. */
export interface Plan {
  /** Null if the router has no helper that this kernel can assign. Then the kernel should have no table at all. */
  readonly table: Table | null;
  /** The status that each declared helper will have once the table is live. */
  readonly statuses: readonly HelperStatus[];
}

/** A declared helper that this kernel can assign, in at least one family that its scope allows. */
interface Usable {
  readonly desired: DesiredHelper;
  readonly kernel: KernelHelper;
  readonly families: readonly Family[];
}

/**
 * Returns the table that a router should have, and the status of each of its helpers. Pure: the result depends on the arguments
 * alone, and not on the order of the helpers.
 *
 *   helpers ─ not expired ─▶ by precedence ─ kernel has them ─▶ one winner per slot ─▶ table
 *        └──────────────────────────── status of each: ACTIVE, or ERROR with its reason ◀──┘
 *
 * @param now helpers that expire at or before this time are left out, also from the statuses
 */
export function render(router: DesiredRouter, capabilities: Capabilities, now: Date): Plan {
  const known = new Set(capabilities.helpers);
  const missingNat = new Set(capabilities.missingNat);
  const live = router.helpers.filter((helper) => !isExpired(helper, now)).sort(byPrecedence);
  const usable = live.flatMap((helper) => toUsable(helper, known) ?? []);
  const winners = electWinners(usable);
  const statuses = [
    ...live.map((helper) => statusOf(helper, { known, missingNat, usable, winners })),
    ...(router.refused ?? []).flatMap(refusedStatus),
  ];
  if (winners.size === 0) return { table: null, statuses };
  const content = tableContent([...winners.values()], known, router.confinement);
  const comment = formatStamp({ revision: router.revision, sha256: contentDigest(content) });
  return { table: { comment, ...content }, statuses };
}

/** The status of a helper that could not be read; none if its id is unknown. */
function refusedStatus({ id, reason }: Refused): HelperStatus[] {
  if (id === '') return [];
  return [{ helperId: id, families: FAMILIES.map((family) => ({ family, status: 'ERROR', reason: `cannot be read: ${reason}` })) }];
}

/** Whether the helper's expiry time has been reached. A helper without one never expires. */
export function isExpired(helper: DesiredHelper, now: Date): boolean {
  return helper.expiresAt !== null && Date.parse(helper.expiresAt) <= now.getTime();
}

/** Returns the SHA-256 of a table's content without its stamp, in hex. Tables with equal content have equal digests. */
export function contentDigest(table: Pick<Table, 'objects' | 'chains'>): string {
  return createHash('sha256').update(contentText(table)).digest('hex');
}

function toUsable(desired: DesiredHelper, known: ReadonlySet<string>): Usable | null {
  const kernel = kernelHelperOf(desired);
  if (!kernel) return null;
  const families = kernelFamilies(kernel, known).filter((family) => inScope(desired.scope, family));
  return families.length > 0 ? { desired, kernel, families } : null;
}

function kernelHelperOf(desired: DesiredHelper): KernelHelper | null {
  return isTransport(desired.protocol) ? findKernelHelper(desired.helper, desired.protocol) : null;
}

function isTransport(protocol: string): protocol is Protocol {
  return protocol === 'tcp' || protocol === 'udp';
}

function kernelFamilies(kernel: KernelHelper, known: ReadonlySet<string>): Family[] {
  return FAMILIES.filter((family) => known.has(capabilityKey(kernel.type, kernel.protocol, family)));
}

function inScope(scope: Scope | null, family: Family): boolean {
  const only = scopeFamily(scope);
  return only === null || only === family;
}

/** Sorts narrower scopes first, then by name and id, so that the order of the input never decides which of two helpers wins a flow. */
function byPrecedence(a: DesiredHelper, b: DesiredHelper): number {
  return specificity(b.scope) - specificity(a.scope) || compare(a.helper, b.helper) || compare(a.id, b.id);
}

function specificity(scope: Scope | null): number {
  if (!scope) return 0;
  const bits = [scope.source, scope.destination].map((cidr) => (cidr ? 1 + relativePrefix(cidr) : 0));
  return 1 + (bits[0] as number) + (bits[1] as number) + (scope.inInterface ? 1 : 0);
}

function relativePrefix(cidr: string): number {
  const network = parseNetwork(cidr, 'scope');
  return network.prefix / (network.bytes.length * 8);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Returns the key of the flows that only one helper can have: scope, protocol and port. */
function slot(item: Usable): string {
  return JSON.stringify([item.kernel.protocol, item.desired.port, item.desired.scope]);
}

function electWinners(usable: readonly Usable[]): Map<string, Usable> {
  const winners = new Map<string, Usable>();
  for (const item of usable) {
    const held = winners.get(slot(item));
    if (!held) winners.set(slot(item), item);
  }
  return winners;
}

interface Election {
  readonly known: ReadonlySet<string>;
  readonly missingNat: ReadonlySet<string>;
  readonly usable: readonly Usable[];
  readonly winners: ReadonlyMap<string, Usable>;
}

function statusOf(helper: DesiredHelper, election: Election): HelperStatus {
  const kernel = kernelHelperOf(helper);
  const families = (kernel?.families ?? FAMILIES).filter((family) => inScope(helper.scope, family));
  const reported = families.length > 0 ? families : [scopeFamily(helper.scope) as Family];
  return { helperId: helper.id, families: reported.map((family) => familyStatus(helper, family, election)) };
}

function familyStatus(helper: DesiredHelper, family: Family, election: Election): FamilyStatus {
  const error = (reason: string): FamilyStatus => ({ family, status: 'ERROR', reason });
  const kernel = kernelHelperOf(helper);
  if (!kernel) return error(`no kernel has the helper ${helper.helper} for ${helper.protocol}`);
  if (!kernel.families.includes(family)) return error(`no kernel has the helper ${helper.helper} for ${family}`);
  if (!election.known.has(capabilityKey(kernel.type, kernel.protocol, family))) {
    return error(
      `this kernel does not have the helper ${kernel.type} for ${kernel.protocol} over ${family} (module ${kernel.modules.conntrack})`,
    );
  }
  const own = election.usable.find((item) => item.desired === helper) as Usable;
  const winner = election.winners.get(slot(own)) as Usable;
  if (winner.kernel !== own.kernel) {
    return error(`shadowed: ${winner.desired.helper} (${winner.desired.id}) has ${kernel.protocol} port ${helper.port} already`);
  }
  return {
    family,
    status: 'ACTIVE',
    reason: election.missingNat.has(kernel.modules.nat ?? '')
      ? `${kernel.modules.nat} is not loaded: behind NAT, announced addresses are not rewritten`
      : '',
  };
}

function tableContent(
  winners: readonly Usable[],
  known: ReadonlySet<string>,
  confinement: Confinement | null,
): Pick<Table, 'objects' | 'chains'> {
  const objects = new Map(winners.map(({ kernel }) => [kernel.object, helperObject(kernel, kernelFamilies(kernel, known))]));
  const forwarded = winners.filter(({ kernel }) => !kernel.localOnly);
  const local = winners.filter(({ kernel }) => kernel.localOnly);
  const chains: Chain[] = [];
  if (forwarded.length > 0) chains.push({ name: CHAINS.assign, rules: assignRules(forwarded) });
  if (local.length > 0) chains.push({ name: CHAINS.assignLocal, rules: assignRules(local) });
  const present = new Set(chains.map((chain) => chain.name));
  for (const { name, base, jumps } of BASE_CHAINS) {
    const rules = jumps.filter((chain) => present.has(chain)).map(jumpOnNew);
    if (rules.length > 0) chains.push({ name, base, rules });
  }
  if (confinement && forwarded.length > 0) chains.push(...confineChains(forwarded, confinement));
  return { objects: [...objects.values()].sort((a, b) => compare(a.name, b.name)), chains };
}

function helperObject(kernel: KernelHelper, families: readonly Family[]): HelperObject {
  const family = families.length === 2 ? 'inet' : families[0] === 'ipv4' ? 'ip' : 'ip6';
  return { name: kernel.object, type: kernel.type, protocol: kernel.protocol, family };
}

function jumpOnNew(chain: string): Rule {
  return { matches: [{ kind: 'ct-state', state: 'new' }], action: { kind: 'jump', chain } };
}

/** Returns one rule per scoped helper, followed by one map lookup per protocol, whatever the number of helpers. */
function assignRules(winners: readonly Usable[]): Rule[] {
  const scoped = winners.filter(({ desired }) => desired.scope !== null);
  const rules: Rule[] = scoped.map(({ desired, kernel }) => ({
    matches: [...scopeMatches(desired.scope as Scope), { kind: 'dport', protocol: kernel.protocol, port: desired.port }],
    action: { kind: 'set-helper', object: kernel.object },
  }));
  for (const protocol of ['tcp', 'udp'] as const) {
    const entries = winners
      .filter(({ desired, kernel }) => desired.scope === null && kernel.protocol === protocol)
      .map(({ desired, kernel }) => [desired.port, kernel.object] as const)
      .sort((a, b) => a[0] - b[0]);
    if (entries.length > 0) rules.push({ matches: [], action: { kind: 'map-helper', protocol, entries } });
  }
  return rules;
}

function scopeMatches(scope: Scope): Match[] {
  const matches: Match[] = [];
  if (scope.inInterface) matches.push({ kind: 'in-interface', name: scope.inInterface });
  if (scope.source) matches.push({ kind: 'address', side: 'source', cidr: scope.source });
  if (scope.destination) matches.push({ kind: 'address', side: 'destination', cidr: scope.destination });
  return matches;
}

/**
 * Returns one chain per data protocol, and the base chain that jumps to them by the helper of the master connection. H.323 helpers
 * open channels that in turn have helpers (RAS → Q.931 → H.245), so that these are confined too.
 */
function confineChains(winners: readonly Usable[], confinement: Confinement): Chain[] {
  const data = new Map<string, DataProtocol>(winners.map(({ kernel }) => [kernel.type, kernel.data]));
  if (data.has('RAS')) data.set('Q.931', (KERNEL_HELPERS.find(({ type }) => type === 'Q.931') as KernelHelper).data);
  if (data.has('Q.931')) data.set(H245.type, H245.data);
  const entries = [...data].map(([type, protocol]) => [type, `data-${protocol}`] as const).sort((a, b) => compare(a[0], b[0]));
  const protocols = [...new Set(data.values())].sort();
  const action: Action = { kind: 'jump-by-helper', entries };
  return [
    ...protocols.map((protocol) => ({ name: `data-${protocol}`, rules: dataRules(protocol, confinement) })),
    { name: CHAINS.confine, base: FORWARD_CONFINE, rules: [{ matches: [{ kind: 'ct-state', state: 'related' }], action }] },
  ];
}

/** Ports below this one need privileges to listen on (`ip_unprivileged_port_start`, net/ipv4/af_inet.c). */
const FIRST_UNPRIVILEGED_PORT = 1024;

/**
 * Returns the rules for related connections of one data protocol. They drop other protocols, low and blocked ports, and packets
 * over the rate.
 */
function dataRules(data: DataProtocol, confinement: Confinement): Rule[] {
  const drop = (...matches: Match[]): Rule => ({ matches, action: { kind: 'drop' } });
  const burst = Math.max(5, Math.ceil(confinement.ratePerSecond / 2));
  const rate = drop({ kind: 'rate-over', perSecond: confinement.ratePerSecond, burst });
  if (data === 'gre') return [drop({ kind: 'l4proto', not: true, protocol: 'gre' }), rate];
  const protocols: readonly Protocol[] = data === 'tcp-udp' ? ['tcp', 'udp'] : [data];
  const blocked = [...new Set(confinement.blockedPorts)].sort((a, b) => a - b);
  return [
    drop(...protocols.map((protocol): Match => ({ kind: 'l4proto', not: true, protocol }))),
    ...protocols.map((protocol) => drop({ kind: 'dport-below', protocol, port: FIRST_UNPRIVILEGED_PORT })),
    ...(blocked.length > 0 ? protocols.map((protocol) => drop({ kind: 'dport-in', protocol, ports: blocked })) : []),
    rate,
  ];
}
