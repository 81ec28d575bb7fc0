import type { Bus } from '../bus/interface.ts';
import type { AllowedHelpers } from '../model/catalogue.ts';
import type { Logger } from '../model/logger.ts';
import type { RouterId } from '../model/router.ts';
import type { AuditEntry, Store, Writes } from '../store/interface.ts';
import type { Principal } from './authorisation.ts';
import type { Outbox } from './outbox.ts';

/** What the use cases work with. */
export interface Context {
  readonly store: Store;
  readonly bus: Bus;
  readonly outbox: Outbox;
  readonly logger: Logger;
  readonly allowed: AllowedHelpers;
  readonly quotaPerRouter: number;
  /** Host of routers that an admin gives a namespace but no host: the embedded server's own. */
  readonly defaultHost: string | null;
  readonly now: () => Date;
}

/** Appends the audit row of a change, in the change's own transaction. */
export async function audit(
  tx: Writes,
  principal: Principal,
  entry: Pick<AuditEntry, 'action' | 'target' | 'projectId' | 'before' | 'after' | 'at'>,
): Promise<void> {
  await tx.appendAudit({ requestId: principal.requestId, actor: principal.name, ...entry });
}

/** Notes for each host concerned that a router changed; the outbox hints at it once the transaction is durable. */
export async function notifyHosts(tx: Writes, routerId: RouterId, hosts: readonly (string | null)[], at: string): Promise<void> {
  for (const host of new Set(hosts)) if (host !== null) await tx.appendOutbox(host, routerId, at);
}
