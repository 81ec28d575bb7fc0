import type { FamilyStatus, RouterReport } from '../contract/status.ts';
import type { PlannedFamily, PlannedStatus } from '../plan/render.ts';
import type { Clock } from '../ports/clock.ts';

/** What a sync came to. It says nothing of its age. */
export interface SyncReport extends Omit<RouterReport, 'helpers'> {
  readonly helpers: readonly PlannedStatus[];
}

/** How long a verification counts, and why there is no newer one. */
export interface Ageing {
  /** Milliseconds after which a helper that was not verified again is not ACTIVE any more. */
  readonly boundMs: number;
  /** What hinders verification now, as the end of a sentence; empty where nothing is known. */
  readonly hindrance: () => string;
}

/** When the kernel was seen to be as a report says. */
export interface Moment {
  /** {@link Clock.monotonic}, from which its age follows. */
  readonly monotonic: number;
  /** What the clock on the wall said, RFC 3339, to the second. */
  readonly time: string;
}

/** Now. */
export function momentOf(clock: Clock): Moment {
  return { monotonic: clock.monotonic(), time: toTheSecond(clock.now().getTime()) };
}

/** The time of a moment by the clock on the wall as it goes now, to the second: of use to others, also where the clock was set. */
export function timeOf({ monotonic }: Moment, clock: Clock): string {
  return toTheSecond(clock.now().getTime() - (clock.monotonic() - monotonic));
}

/**
 * A report as of now: where its verification is too old, ACTIVE becomes STALE.
 * @param verified when the kernel was last seen to hold what the report calls ACTIVE; null: it holds nothing
 */
export function aged(report: SyncReport, verified: Moment | null, { boundMs, hindrance }: Ageing, clock: Clock): SyncReport {
  if (verified === null || clock.monotonic() - verified.monotonic <= boundMs) return report;
  if (!hasStatus(report, 'ACTIVE')) return report;
  const why = hindrance();
  const reason = `not verified since ${verified.time}${why && `: ${why}`}`;
  const stale = (family: PlannedFamily): PlannedFamily => (family.status === 'ACTIVE' ? { ...family, status: 'STALE', reason } : family);
  const helpers = report.helpers.map(({ helperId, families }) => ({ helperId, families: families.map(stale) }));
  return { ...report, reason: report.reason || reason, helpers };
}

/** A report with the time of its verification at each helper that the kernel holds, as far as is known. */
export function timed(report: SyncReport, verified: Moment | null, clock: Clock): RouterReport {
  const time = verified === null ? null : timeOf(verified, clock);
  const at = (family: PlannedFamily): FamilyStatus => ({ ...family, verifiedAt: isHeld(family) ? time : null });
  return { ...report, helpers: report.helpers.map(({ helperId, families }) => ({ helperId, families: families.map(at) })) };
}

/** Whether any helper of the report has the status. */
export function hasStatus({ helpers }: SyncReport, status: FamilyStatus['status']): boolean {
  return helpers.some(({ families }) => families.some((family) => family.status === status));
}

function isHeld({ status }: PlannedFamily): boolean {
  return status === 'ACTIVE' || status === 'STALE';
}

/** Cut, not rounded: what is said to be verified was. */
function toTheSecond(milliseconds: number): string {
  return new Date(Math.floor(milliseconds / 1_000) * 1_000).toISOString();
}
