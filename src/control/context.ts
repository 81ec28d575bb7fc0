import type { Bus } from '../bus/interface.ts';
import type { AuditEntry } from '../contract/audit.ts';
import type { RouterId } from '../contract/primitives.ts';
import type { Router } from '../contract/router.ts';
import type { AllowedHelpers } from '../model/catalogue.ts';
import type { Ports } from '../ports/ports.ts';
import type { Store, Writes } from '../store/interface.ts';
import type { Outbox } from './outbox.ts';
import type { Policy } from './policy/policy.ts';
import type { Principal } from './principal.ts';

/** At most so many; -1: any number. */
export interface Quotas {
  readonly helpersPerRouter: number;
  readonly helpersPerProject: number;
  readonly routersPerProject: number;
}

/** What the use cases work with. */
export interface Context extends Ports {
  readonly store: Store;
  readonly bus: Bus;
  readonly outbox: Outbox;
  /** The policy as it is now: a reload replaces it. */
  readonly policy: () => Policy;
  readonly allowed: AllowedHelpers;
  readonly quotas: Quotas;
  /** Host of routers that an admin gives a namespace but no host: the embedded server's own. */
  readonly defaultHost: string | null;
  /** The user of the bus who speaks for a host; null where the bus lets in only those who may speak for any. */
  readonly userOfHost: (host: string) => string | null;
}

/** What was done, for the audit. */
export type Change = Pick<AuditEntry, 'action' | 'target' | 'projectId' | 'before' | 'after' | 'at'>;

/** Appends the audit row of a change, in the change's own transaction. */
export function audit(tx: Writes, principal: Principal, change: Change): void {
  tx.appendAudit({ requestId: principal.requestId, actor: principal.name, ...change });
}

/** What a change of a router or of its helpers leaves behind: an audit row, an event, a hint for each host concerned. */
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

/** Notes for each host concerned that a router changed; the outbox hints at it once the transaction is durable. */
function notifyHosts(tx: Writes, routerId: RouterId, hosts: readonly (string | null)[], at: string): void {
  for (const host of new Set(hosts)) if (host !== null) tx.appendOutbox(host, routerId, at);
}
