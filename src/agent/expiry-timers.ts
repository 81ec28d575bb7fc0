import type { DesiredRouter } from '../contract/desired-router.ts';
import type { Netns } from '../contract/netns.ts';
import { smallest } from '../model/extremes.ts';
import type { Clock, Timer } from '../ports/clock.ts';

/** Wakes a namespace's sync at the end of each helper's time. */
export class ExpiryTimers {
  readonly #timers = new Map<string, Timer>();
  readonly #clock: Clock;
  readonly #expired: (netns: Netns) => void;

  constructor(clock: Clock, expired: (netns: Netns) => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  /** Replaces what was scheduled for the router. */
  schedule(router: DesiredRouter): void {
    this.forget(router.id);
    const now = this.#clock.now().getTime();
    const times = router.helpers.flatMap(({ expiresAt }) => (expiresAt ? [Date.parse(expiresAt)] : [])).filter((time) => time > now);
    if (times.length === 0) return;
    const timer = this.#clock.after(smallest(times) - now, () => {
      this.#expired(router.netns);
      // The next end; or this one again, where the wall clock was set back meanwhile.
      this.schedule(router);
    });
    this.#timers.set(router.id, timer);
  }

  forget(routerId: string): void {
    this.#timers.get(routerId)?.cancel();
    this.#timers.delete(routerId);
  }

  close(): void {
    for (const timer of this.#timers.values()) timer.cancel();
  }
}
