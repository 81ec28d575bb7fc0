import type { Agent } from '../store/interface.ts';

/** Number of missed heartbeats after which an agent counts as silent. */
const SILENT_AFTER = 3;

/** Whether the agent has sent a heartbeat lately. */
export function isAlive({ seenAt, interval }: Pick<Agent, 'seenAt' | 'interval'>, now: Date): boolean {
  return now.getTime() - Date.parse(seenAt) <= interval * 1000 * SILENT_AFTER;
}

/** Why an agent is not to be reckoned with, in words; null if it is. */
export function whyAway(agent: Pick<Agent, 'host' | 'seenAt' | 'interval'>, now: Date): string | null {
  return isAlive(agent, now) ? null : `the agent on ${agent.host} has been silent since ${agent.seenAt}`;
}
