import type { Client } from '../../client/client.ts';
import type { HelperId, RouterId } from '../../contract/primitives.ts';
import type { Of } from '../../contract/shape.ts';
import { type FamilyStatus, ROUTER_STATUS } from '../../contract/status.ts';
import { InvalidInput } from '../../model/errors.ts';
import type { Clock } from '../../ports/clock.ts';

/** The flags of a command that waits until a helper is live. */
export interface WaitFlags {
  /** A number of seconds; true: the usual ones; false: do not wait. */
  readonly wait?: string | boolean;
}

/** Waited for on a terminal: a person looks, and agents take well below a second. */
const USUAL_SECONDS = 5;
const MAX_SECONDS = 3_600;
const POLL_MS = 200;

/** The seconds for which flags ask; without one, {@link USUAL_SECONDS} on a terminal and none elsewhere. @throws InvalidInput */
export function secondsToWait({ wait }: WaitFlags, isTerminal: boolean): number {
  if (wait === undefined) return isTerminal ? USUAL_SECONDS : 0;
  if (typeof wait === 'boolean') return wait ? USUAL_SECONDS : 0;
  if (!/^\d{1,4}$/.test(wait) || Number(wait) > MAX_SECONDS)
    throw new InvalidInput('wait', `--wait: '${wait}' is not a number of seconds up to ${MAX_SECONDS}.`);
  return Number(wait);
}

/** A router with its helpers, as the server shows its status. */
export type Seen = Of<typeof ROUTER_STATUS>;

/** Reads the status of one router. */
export function statusReader(client: Client, id: RouterId): () => Promise<Seen> {
  return () => client.read(ROUTER_STATUS, 'GET', `/v1/status/${id}`);
}

/**
 * Asks for the status of a router until its agent has told what became of the present revision, or the time is over.
 * @param read called at least once
 * @returns the helper's status in each family; null if there is no such helper any more
 */
export async function outcomeOf(
  id: HelperId,
  { read, seconds, clock }: { read: () => Promise<Seen>; seconds: number; clock: Clock },
): Promise<readonly FamilyStatus[] | null> {
  const end = clock.monotonic() + seconds * 1_000;
  let seen = await read();
  const { revision } = seen.router;
  while (!isSettled(seen, id, revision) && clock.monotonic() < end) {
    await clock.sleep(POLL_MS);
    seen = await read();
  }
  const families = familiesOf(seen, id);
  return families === null || isTold(seen, revision) ? families : families.map(notApplied);
}

/** What an agent told of the helper before it was changed is not its status now. */
function notApplied(family: FamilyStatus): FamilyStatus {
  return family.status === 'ACTIVE' ? { ...family, status: 'PENDING', reason: 'the agent has not applied this change yet' } : family;
}

/** Whether more time changes nothing: the agent has told, or there is none to tell. */
function isSettled(seen: Seen, id: HelperId, revision: number): boolean {
  const families = familiesOf(seen, id);
  if (families === null || seen.router.host === null || seen.router.netns === null) return true;
  return isTold(seen, revision) && families.every(({ status }) => status === 'ACTIVE' || status === 'ERROR');
}

function isTold({ reportedRevision }: Seen, revision: number): boolean {
  return (reportedRevision ?? 0) >= revision;
}

function familiesOf({ helpers }: Seen, id: HelperId): readonly FamilyStatus[] | null {
  return helpers.find((helper) => helper.id === id)?.families ?? null;
}
