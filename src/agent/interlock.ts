import { createHash } from 'node:crypto';
import type { Held } from '../contract/agent.ts';
import type { DesiredRouter, Refused } from '../contract/desired-router.ts';
import { isExpired } from '../plan/render.ts';
import type { History } from './source.ts';

/** A desired state with the database that it is of. */
export interface Dated {
  readonly history: History;
  readonly routers: readonly DesiredRouter[];
}

/** What the interlock decides by. */
export interface Limits {
  /** A removal of more than this part of the live helpers is held; 100 holds nothing. */
  readonly percent: number;
  readonly now: Date;
  /** {@link Held.id} of a removal that an operator has confirmed; null for none. */
  readonly confirmed: string | null;
}

/**
 * Decides whether a full pull is held: it would remove more than a part of a host's live helpers, and the server's database is not the one
 * that they came from, or an older state of it. What the server removes in the course of its own history is taken as it is.
 * @param before what the agent has, or had before it was started
 */
export function judge(before: Dated, next: Dated & { readonly refused: readonly Refused[] }, limits: Limits): Held | null {
  const why = suspicion(before, next);
  if (why === null) return null;
  const live = before.routers.flatMap((router) => assignmentsOf(router, limits.now).map((key) => ({ router: router.id as string, key })));
  const kept = new Set(next.routers.flatMap((router) => assignmentsOf(router, limits.now)));
  const unreadable = new Set(next.refused.map(({ id }) => id));
  const counted = withoutHistory(next) ? new Set(next.routers.map(({ id }) => id as string)) : null;
  const lost = live.filter(({ router, key }) => !kept.has(key) && !unreadable.has(router) && (counted?.has(router) ?? true));
  if (lost.length * 100 <= live.length * limits.percent) return null;
  // A cloud tells no history: the helpers of one router may well have been deleted while the agent was away.
  if (counted && new Set(lost.map(({ router }) => router)).size < 2) return null;
  const id = createHash('sha256')
    .update(
      lost
        .map(({ key }) => key)
        .sort()
        .join('\n'),
    )
    .digest('hex')
    .slice(0, 12);
  if (id === limits.confirmed) return null;
  const reason = `held: the server's answer would remove ${lost.length} of ${live.length} live helpers, and ${why}. 'pinhole agent confirm' on this host, or 'pinhole host confirm', lets it through`;
  return { id, reason, removed: lost.length, live: live.length };
}

/** Why the server's answer may be that of a wrong or an older database; null if it is not. */
function suspicion(before: Dated, next: Dated): string | null {
  const [a, b] = [before.history, next.history];
  // Tables of another installation are left alone in any case.
  if (a.installation !== null && b.installation !== null && a.installation !== b.installation) return null;
  if (withoutHistory(next)) return "a cloud's answer does not tell whether its database is the one of before";
  if (a.epoch !== '' && a.epoch !== b.epoch) return `its database has another epoch (${b.epoch}, before ${a.epoch})`;
  if (a.position !== null && b.position !== null && b.position < a.position)
    return `its database is older than before (event ${b.position}, before ${a.position})`;
  const revisions = new Map(before.routers.map(({ id, revision }) => [id, revision]));
  const older = next.routers.find(({ id, revision }) => revision < (revisions.get(id) ?? 0));
  return older ? `router ${older.name || older.id} is at revision ${older.revision}, before ${revisions.get(older.id)}` : null;
}

function withoutHistory({ history }: Dated): boolean {
  return history.epoch === '';
}

/** What a router's helpers assign, whatever their ids: a rebuilt database has others. */
function assignmentsOf({ netns, helpers }: DesiredRouter, now: Date): string[] {
  return helpers.filter((helper) => !isExpired(helper, now)).map(({ helper, protocol, port }) => `${netns} ${helper} ${protocol}/${port}`);
}
