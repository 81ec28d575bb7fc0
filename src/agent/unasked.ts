import type { DesiredRouter } from '../contract/desired-router.ts';
import type { DesiredHelper } from '../contract/helper.ts';
import { FAMILIES } from '../model/catalogue.ts';
import type { PlannedStatus } from '../plan/render.ts';
import type { SyncReport } from './verification.ts';

/** What was known of a router when its kernel could be asked: what it was made equal to, and what that came to. */
export interface LastSync {
  readonly desired: DesiredRouter | null;
  readonly report: SyncReport | null;
}

/**
 * The report about a router whose kernel cannot be asked. Helpers that are declared as they were at the last sync stay as they were
 * reported, for as long as their verification counts; the others wait.
 */
export function unasked(router: DesiredRouter, before: LastSync, known: { readonly reason: string; readonly drifts: number }): SyncReport {
  const { reason, drifts } = known;
  // Nothing waits: a kernel process that is started again at once is no news for the routers of its host.
  if (before.report !== null && isSame(before.desired, router)) return { ...before.report, drifts };
  const statuses = new Map(before.report?.helpers.map((status) => [status.helperId, status]));
  const isConfinedAsBefore = isSame(before.desired?.confinement, router.confinement);
  const synced = new Map(isConfinedAsBefore ? before.desired?.helpers.map((helper) => [helper.id, helper]) : []);
  const helpers = router.helpers.map((helper): PlannedStatus => {
    const status = statuses.get(helper.id);
    return status && isSame(synced.get(helper.id), helper) ? status : waiting(helper, reason);
  });
  return { routerId: router.id, revision: router.revision, reason, helpers, drifts };
}

function waiting({ id }: DesiredHelper, reason: string): PlannedStatus {
  return { helperId: id, families: FAMILIES.map((family) => ({ family, status: 'PENDING', reason })) };
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
