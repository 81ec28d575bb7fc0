import type { NewEvent } from '../contract/event.ts';
import type { Logger } from '../ports/logger.ts';
import type { Agent, Heard } from '../store/interface.ts';
import { heldIn } from './host-view.ts';
import { whyKernelAway } from './verified.ts';

/** What a host can become. */
export type Became = 'known' | 'silent' | 'alive' | 'kernel away' | 'kernel back' | 'held' | 'released';

/** A change of a host as a whole, which is told once: as an event, and as a line of the log. */
export interface Turn {
  readonly host: string;
  readonly became: Became;
  /** Why, in words; empty where the word says it all. */
  readonly reason: string;
}

/** What a host became by a heartbeat. @param before the agent as it was known; null for a host that was not */
export function turnsOf(before: Agent | null, after: Heard, { wasSilent }: { readonly wasSilent: boolean }): Turn[] {
  const { host } = after;
  if (before === null) return [{ host, became: 'known', reason: '' }];
  const turns: Turn[] = [];
  if (wasSilent) turns.push({ host, became: 'alive', reason: `its agent was silent since ${before.seenAt}` });
  const [was, is] = [whyKernelAway(host, before.kernel), whyKernelAway(host, after.kernel)];
  if (was === null && is !== null) turns.push({ host, became: 'kernel away', reason: is });
  if (was !== null && is === null) turns.push({ host, became: 'kernel back', reason: '' });
  const [held, holds] = [heldIn(before.state), heldIn(after.state)];
  if (holds && holds.id !== held?.id) turns.push({ host, became: 'held', reason: holds.reason });
  if (held && !holds) turns.push({ host, became: 'released', reason: '' });
  return turns;
}

/** A host whose last heartbeat is too long ago. */
export function silenceOf({ host, seenAt }: Pick<Agent, 'host' | 'seenAt'>): Turn {
  return { host, became: 'silent', reason: `its agent has been silent since ${seenAt}` };
}

/** The event of a turn. It belongs to no router and no project. */
export function hostEvent({ host, became, reason }: Turn, at: string): NewEvent {
  return { at, kind: 'host', projectId: '', routerId: null, requestId: '', data: { host, became, reason } };
}

const BAD: ReadonlySet<Became> = new Set(['silent', 'kernel away', 'held']);

/** Writes a turn to the log, as a warning if something is wrong. */
export function logTurn(logger: Logger, { host, became, reason }: Turn): void {
  logger[BAD.has(became) ? 'warn' : 'info']({ host, became, reason }, `host ${host}: ${became}`);
}
