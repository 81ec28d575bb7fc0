import type { DesiredRouter } from '../contract/desired-router.ts';
import type { Netns } from '../contract/netns.ts';

/** Longest wait of a timer; a later end is looked at again then. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Wakes a namespace's sync at the end of each helper's time. */
export class ExpiryTimers {
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #now: () => Date;
  readonly #expired: (netns: Netns) => void;

  constructor(now: () => Date, expired: (netns: Netns) => void) {
    this.#now = now;
    this.#expired = expired;
  }

  schedule(router: DesiredRouter): void {
    this.forget(router.id);
    const now = this.#now().getTime();
    const times = router.helpers.flatMap(({ expiresAt }) => (expiresAt ? [Date.parse(expiresAt)] : [])).filter((time) => time > now);
    if (times.length === 0) return;
    const timer = setTimeout(
      () => {
        this.#expired(router.netns);
        this.schedule(router);
      },
      Math.min(Math.min(...times) - now, MAX_TIMER_MS),
    );
    this.#timers.set(router.id, timer);
  }

  forget(routerId: string): void {
    clearTimeout(this.#timers.get(routerId));
    this.#timers.delete(routerId);
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }
}
