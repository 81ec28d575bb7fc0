import type { Clock, Timer } from '../ports/clock.ts';

/** Whether a process does its work; asked each time before its watchdog is fed. */
export type IsWell = () => boolean | Promise<boolean>;

/** Signs of life per watchdog period: one that is late does not get the process killed. */
const SHARE = 3;

/**
 * Feeds a watchdog: at once, and three times a period from then on, while the process is well. One question waits for the one before.
 * @param periodMs milliseconds without a sign of life after which the watchdog takes the process for dead
 */
export function feedWatchdog(clock: Clock, periodMs: number, isWell: IsWell, feed: () => void): Timer {
  let asking = false;
  const ask = async () => {
    if (asking) return;
    asking = true;
    try {
      if (await isWell()) feed();
    } catch {
      // A process that cannot say that it is well is not.
    } finally {
      asking = false;
    }
  };
  void ask();
  return clock.every(periodMs / SHARE, () => void ask());
}
