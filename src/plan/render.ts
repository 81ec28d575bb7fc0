import { createHash } from 'node:crypto';
import type { Capabilities } from '../contract/agent.ts';
import type { Confinement } from '../contract/confinement.ts';
import type { DesiredRouter, Refused } from '../contract/desired-router.ts';
import type { DesiredHelper } from '../contract/helper.ts';
import { type Scope, scopeFamily } from '../contract/scope.ts';
import type { FamilyStatus } from '../contract/status.ts';
import { parseNetwork } from '../model/address.ts';
import { capabilityKey, FAMILIES, type Family, findKernelHelper, type KernelHelper, type Protocol } from '../model/catalogue.ts';
import { formatStamp, type HelperObject, type Table } from '../model/table.ts';
import { type TableForm, tableContent } from '../model/table-form.ts';
import { contentText } from './text.ts';

/** The status of a helper in one family once the table is live. When it was verified is not known to a plan. */
export type PlannedFamily = Omit<FamilyStatus, 'verifiedAt'>;

/** The status of a helper in each of its families once the table is live. */
export interface PlannedStatus {
  readonly helperId: string;
  readonly families: readonly PlannedFamily[];
}

/** The result of {@link render}. */
export interface Plan {
  /** Null if the router has no helper that this kernel can assign. Then the kernel should have no table at all. */
  readonly table: Table | null;
  /** The status that each declared helper will have once the table is live. */
  readonly statuses: readonly PlannedStatus[];
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
 * @param installation whose table it is; null if the agent has not been told, which makes a stamp of version 1
 */
export function render(router: DesiredRouter, capabilities: Capabilities, now: Date, installation: string | null = null): Plan {
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
  const content = tableContent(formOf([...winners.values()], known, router.confinement));
  const comment = formatStamp({ installation, revision: router.revision, sha256: contentDigest(content) });
  return { table: { comment, ...content }, statuses };
}

/** The status of a helper that could not be read; none if its id is unknown. */
function refusedStatus({ id, reason }: Refused): PlannedStatus[] {
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

function statusOf(helper: DesiredHelper, election: Election): PlannedStatus {
  const kernel = kernelHelperOf(helper);
  const families = (kernel?.families ?? FAMILIES).filter((family) => inScope(helper.scope, family));
  const reported = families.length > 0 ? families : [scopeFamily(helper.scope) as Family];
  return { helperId: helper.id, families: reported.map((family) => familyStatus(helper, family, election)) };
}

function familyStatus(helper: DesiredHelper, family: Family, election: Election): PlannedFamily {
  const error = (reason: string): PlannedFamily => ({ family, status: 'ERROR', reason });
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

/** What the table says. Scoped helpers come first, the narrowest first. */
function formOf(winners: readonly Usable[], known: ReadonlySet<string>, confinement: Confinement | null): TableForm {
  const objects = new Map(winners.map(({ kernel }) => [kernel.object, helperObject(kernel, kernelFamilies(kernel, known))]));
  return {
    assignments: winners.map(({ desired: { port, scope }, kernel }) => ({
      object: objects.get(kernel.object) as HelperObject,
      port,
      scope,
    })),
    confinement,
  };
}

function helperObject(kernel: KernelHelper, families: readonly Family[]): HelperObject {
  const family = families.length === 2 ? 'inet' : families[0] === 'ipv4' ? 'ip' : 'ip6';
  return { name: kernel.object, type: kernel.type, protocol: kernel.protocol, family };
}
