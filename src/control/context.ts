import type { Bus } from '../bus/interface.ts';
import type { AuditEntry } from '../contract/audit.ts';
import type { Confinement } from '../contract/confinement.ts';
import type { RouterId } from '../contract/primitives.ts';
import type { Router } from '../contract/router.ts';
import type { AllowedHelpers } from '../model/catalogue.ts';
import type { Ports } from '../ports/ports.ts';
import type { Store, Writes } from '../store/interface.ts';
import type { Outbox } from './outbox.ts';
import type { Policy } from './policy/policy.ts';
import type { Principal } from './principal.ts';

/** Default quotas from the configuration; -1 means no limit. */
export interface Quotas {
  readonly helpersPerRouter: number;
  readonly helpersPerProject: number;
  readonly routersPerProject: number;
}

/** What use cases tell metrics. */
export interface Meters {
  /** A router's change is in the kernel, as its agent reported so many seconds after the commit. */
  appliedAfter(seconds: number): void;
}

/** The collaborators of all use cases. */
export interface Context extends Ports {
  readonly store: Store;
  readonly bus: Bus;
  readonly outbox: Outbox;
  /** Returns the current policy. A reload replaces it. */
  readonly policy: () => Policy;
  readonly allowed: AllowedHelpers;
  readonly quotas: Quotas;
  /** How a new router is confined whose request does not say; null: not. */
  readonly newConfinement: Confinement | null;
  /** Where use cases say what metrics count. */
  readonly meters: Meters;
  /** The host of a router to which an admin gives a namespace but no host: the server's own in an embedded installation, else null. */
  readonly defaultHost: string | null;
  /** Returns the user of the bus who speaks for a host; null if the bus only admits users who may speak for any host. */
  readonly userOfHost: (host: string) => string | null;
}

/** One unit of work: its transaction, who asked for it, and the time (RFC 3339, UTC) of its changes. */
export interface Unit {
  readonly tx: Writes;
  readonly principal: Principal;
  readonly at: string;
}

/** What happened, as the audit records it. */
export type Change = Pick<AuditEntry, 'action' | 'target' | 'projectId' | 'before' | 'after' | 'at'>;

/** Appends the audit entry of a change, in the change's own transaction. */
export function audit(tx: Writes, principal: Principal, change: Change): void {
  tx.appendAudit({ requestId: principal.requestId, actor: principal.name, ...change });
}

/**
 * Appends what a change of a router or of its helpers leaves behind: an audit entry, an event, and a hint to each host concerned.
 * @param change `hosts`: the hosts before and after the change, null for none
 */
export function record(tx: Writes, principal: Principal, change: Change & { router: Router; hosts: readonly (string | null)[] }): void {
  const { router, hosts, ...rest } = change;
  audit(tx, principal, rest);
  tx.appendEvent({
    at: rest.at,
    kind: 'change',
    projectId: rest.projectId,
    routerId: router.id,
    requestId: principal.requestId,
    data: { action: rest.action, target: rest.target, after: rest.after },
  });
  notifyHosts(tx, router.id, hosts, rest.at);
}

/** The outbox sends the hints once the transaction is durable. */
function notifyHosts(tx: Writes, routerId: RouterId, hosts: readonly (string | null)[], at: string): void {
  for (const host of new Set(hosts)) if (host !== null) tx.appendOutbox(host, routerId, at);
}
