import { documented, list, nullable } from './compounds.ts';
import { HELPER } from './helper.ts';
import { COUNT, FAMILY, HELPER_REF, MAX_HELPERS_PER_ROUTER, REASON, REVISION, ROUTER_REF, TIME } from './primitives.ts';
import { record } from './record.ts';
import { ROUTER } from './router.ts';
import { oneOf } from './scalars.ts';
import type { Of } from './shape.ts';

/**
 * ACTIVE: the kernel was seen to have the helper, and not longer ago than twice the agent's check interval. PENDING: it is declared and
 * not applied yet. ERROR: it cannot be applied; the reason says why. STALE: it was applied, and may not be what holds by now: the kernel
 * was not looked at in time, or the server cannot be reached and it is from the last good state on disk. UNKNOWN: its agent is silent.
 */
export const STATUS = oneOf('ACTIVE', 'PENDING', 'ERROR', 'STALE', 'UNKNOWN');
export type StatusValue = Of<typeof STATUS>;

/** What wants attention most comes first. */
export const BY_URGENCY: readonly StatusValue[] = ['ERROR', 'UNKNOWN', 'STALE', 'PENDING', 'ACTIVE'];

/** The status of a helper as a whole: the worst of its families'; PENDING without one. */
export function worstOf(statuses: readonly StatusValue[]): StatusValue {
  return BY_URGENCY.find((status) => statuses.includes(status)) ?? 'PENDING';
}

/** Numbers of helpers, each given by the statuses of its families, by their worst. Each status has a number. */
export function countedByStatus(helpers: Iterable<readonly StatusValue[]>): Readonly<Record<StatusValue, number>> {
  const counts: Record<StatusValue, number> = { ERROR: 0, UNKNOWN: 0, STALE: 0, PENDING: 0, ACTIVE: 0 };
  for (const statuses of helpers) counts[worstOf(statuses)]++;
  return counts;
}

export const FAMILY_STATUS = record({
  family: FAMILY,
  status: STATUS,
  reason: documented(REASON, 'empty where there is nothing to explain'),
  verifiedAt: documented(nullable(TIME), 'when the kernel was last seen to have the helper in this family; null if it does not have it'),
});
/** Status of one helper in one address family. */
export type FamilyStatus = Of<typeof FAMILY_STATUS>;

const FAMILIES_OF_A_HELPER = list(FAMILY_STATUS, 2);

export const HELPER_STATUS = record({ helperId: HELPER_REF, families: FAMILIES_OF_A_HELPER });
/** Status of one helper in each of its address families. */
export type HelperStatus = Of<typeof HELPER_STATUS>;

export const ROUTER_REPORT = record({
  routerId: ROUTER_REF,
  revision: documented(REVISION, 'revision of the desired state that the report is about'),
  reason: documented(REASON, 'why the router as a whole is not in sync; empty when it is'),
  helpers: list(HELPER_STATUS, MAX_HELPERS_PER_ROUTER),
  drifts: documented(COUNT, "number of repairs of other programs' changes since the agent started"),
});
/** What an agent reports about one router after a sync. */
export type RouterReport = Of<typeof ROUTER_REPORT>;

/** A router, its helpers and what its agent reported about them, as the API shows it. */
export const ROUTER_STATUS = record({
  router: ROUTER,
  reason: ROUTER_REPORT.fields.reason,
  reportedAt: nullable(TIME),
  reportedRevision: nullable(REVISION),
  drifts: ROUTER_REPORT.fields.drifts,
  helpers: list(record({ ...HELPER.fields, families: FAMILIES_OF_A_HELPER }), MAX_HELPERS_PER_ROUTER),
});
