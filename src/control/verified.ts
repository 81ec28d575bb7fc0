import type { KernelState, Verification } from '../contract/agent.ts';
import type { Router } from '../contract/router.ts';
import type { FamilyStatus, RouterReport } from '../contract/status.ts';
import type { Agent, StoredReport } from '../store/interface.ts';

/** Counts for an agent that has not said yet how long its verifications count. It is the default of agents. */
const DEFAULT_BOUND_SECONDS = 60;
/** What a message between an agent and a server may take. */
const TRANSIT_MS = 5_000;

/** What is known of a router on its host. */
export interface Known {
  readonly router: Router;
  readonly report: StoredReport;
  readonly agent: Agent | null;
  readonly now: Date;
}

/**
 * Moves an agent's time to this server's clock, so that no age depends on how well the clocks of two machines agree. A message that seems to
 * have taken a few seconds may have: then the clocks count as equal, and the time is rather too old than too new.
 * @param sentAt when the agent sent it, by the agent's clock; null: not known
 * @returns never later than now
 */
export function byOwnClock(time: string, sentAt: string | null, now: Date): string {
  const behind = sentAt === null ? 0 : now.getTime() - Date.parse(sentAt);
  const shift = behind >= 0 && behind < TRANSIT_MS ? 0 : behind;
  return new Date(Math.min(now.getTime(), Date.parse(time) + shift)).toISOString();
}

/** A report with the times of its verifications by this server's clock. */
export function reportByOwnClock(report: RouterReport, sentAt: string | null, now: Date): RouterReport {
  const moved = ({ verifiedAt, ...family }: FamilyStatus): FamilyStatus => ({
    ...family,
    verifiedAt: verifiedAt === null ? null : byOwnClock(verifiedAt, sentAt, now),
  });
  return { ...report, helpers: report.helpers.map(({ helperId, families }) => ({ helperId, families: families.map(moved) })) };
}

/** What is stored of an agent's verification. An agent that says nothing new has not taken back what it, or one before it, said. */
export function verificationOf(
  said: Verification | null,
  before: Agent | null,
  now: Date,
): Pick<Agent, 'verifiedAt' | 'boundSeconds' | 'kernel'> {
  if (said === null) return { verifiedAt: null, boundSeconds: null, kernel: null };
  const { at, verifiedAt, boundSeconds, kernel } = said;
  const verified = verifiedAt === null ? (before?.verifiedAt ?? null) : byOwnClock(verifiedAt, at, now);
  return { verifiedAt: verified, boundSeconds, kernel: { ...kernel, since: steady(byOwnClock(kernel.since, at, now), before) } };
}

/** The time that is stored already, where the new one differs by no more than messages take: the same is then told in the same words. */
function steady(since: string, before: Agent | null): string {
  const known = before?.kernel?.since ?? since;
  return Math.abs(Date.parse(known) - Date.parse(since)) < TRANSIT_MS ? known : since;
}

/** Why the kernel process of a host cannot be asked, in words; null if it can, or nothing is known. */
export function whyKernelAway(host: string, kernel: KernelState | null): string | null {
  return kernel === null || kernel.up ? null : `the kernel process on ${host} ${kernel.reason} (since ${kernel.since})`;
}

/** A reported status as of now: ACTIVE is STALE if the helper was not verified in time. */
export function asOfNow(family: FamilyStatus, known: Known): FamilyStatus {
  const isApplied = family.status === 'ACTIVE' || family.status === 'STALE';
  const verifiedAt = isApplied ? lastVerified(family, known) : null;
  if (family.status !== 'ACTIVE' || isInTime(verifiedAt, known)) return { ...family, verifiedAt };
  return { ...family, verifiedAt, status: 'STALE', reason: whyStale(verifiedAt, known) };
}

/**
 * The newest of what the report says of this helper, and what the agent says of all its helpers at once. The latter is about routers as
 * the agent has them: after a change of the router, about the router before the change.
 */
function lastVerified(family: FamilyStatus, { router, report, agent }: Known): string | null {
  // Reports of older versions have no time.
  const own = family.verifiedAt ?? null;
  const ofAll = agent?.verifiedAt ?? null;
  if (family.status !== 'ACTIVE' || ofAll === null) return own;
  const isChanged = report.revision !== router.revision && ofAll > router.updatedAt;
  const counted = isChanged ? router.updatedAt : ofAll;
  return own === null || counted > own ? counted : own;
}

function isInTime(verifiedAt: string | null, { agent, now }: Known): boolean {
  const bound = (agent?.boundSeconds ?? DEFAULT_BOUND_SECONDS) * 1_000;
  return verifiedAt !== null && now.getTime() - Date.parse(verifiedAt) <= bound;
}

function whyStale(verifiedAt: string | null, { report: { host }, agent }: Known): string {
  if (verifiedAt === null) return `the agent on ${host} does not say when it verified this`;
  const why = whyKernelAway(host, agent?.kernel ?? null);
  return `not verified since ${verifiedAt}${why === null ? '' : `: ${why}`}`;
}
