import type { Timer } from '../ports/clock.ts';
import type { Ports } from '../ports/ports.ts';
import { type Backoff, retryDelay } from '../ports/retry.ts';

const RETRY: Backoff = { firstMs: 50, maxMs: 30_000 };

/**
 * Keys that need work. A key that is marked while it waits stays one; one that is marked while it is worked on comes
 * again after. Failures wait longer each time, with jitter; a success forgets them.
 *
 *   mark ─▶ ready ─▶ take ─▶ busy ─▶ done            (marked meanwhile: ready again)
 *             ▲                └───▶ failed ─▶ waiting
 *             └──────────────────────────────────┘ after back-off, or at once when marked again
 */
export class WorkQueue<K> {
  readonly #ready = new Set<K>();
  readonly #busy = new Map<K, boolean>();
  readonly #failures = new Map<K, number>();
  readonly #waiting = new Map<K, Timer>();
  readonly #wake: () => void;
  readonly #ports: Pick<Ports, 'clock' | 'chance'>;

  /** @param wake called whenever a key became ready */
  constructor(wake: () => void, ports: Pick<Ports, 'clock' | 'chance'>) {
    this.#wake = wake;
    this.#ports = ports;
  }

  /** Keys that are ready, worked on, or wait for another attempt. */
  get size(): number {
    return this.#ready.size + this.#busy.size + this.#waiting.size;
  }

  /** Keys that {@link take} would give. */
  get readySize(): number {
    return this.#ready.size;
  }

  /** The key needs work, however often it was marked before. One that waits after a failure is ready at once. */
  mark(key: K): void {
    if (this.#busy.has(key)) {
      this.#busy.set(key, true);
      return;
    }
    this.#stopWaiting(key);
    this.#ready.add(key);
    this.#wake();
  }

  /** Up to `max` keys, which are busy until {@link done} or {@link failed}. */
  take(max: number): K[] {
    const taken: K[] = [];
    for (const key of this.#ready) {
      if (taken.length === max) break;
      taken.push(key);
    }
    for (const key of taken) {
      this.#ready.delete(key);
      this.#busy.set(key, false);
    }
    return taken;
  }

  /** A key that was taken is worked off: its failures are forgotten. */
  done(key: K): void {
    this.#failures.delete(key);
    this.#release(key);
  }

  /** A key that was taken is ready again after a while. @returns how often it has failed in a row */
  failed(key: K): number {
    const count = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, count);
    if (this.#release(key)) return count;
    const again = () => {
      this.#waiting.delete(key);
      this.#ready.add(key);
      this.#wake();
    };
    this.#waiting.set(key, this.#ports.clock.after(retryDelay(count, RETRY, this.#ports.chance), again));
    return count;
  }

  /** Nothing is ready, or will be by itself. */
  close(): void {
    for (const timer of this.#waiting.values()) timer.cancel();
    this.#waiting.clear();
    this.#ready.clear();
  }

  /** @returns true where the key was marked meanwhile and is ready again */
  #release(key: K): boolean {
    const again = this.#busy.get(key) === true;
    this.#busy.delete(key);
    if (again) {
      this.#ready.add(key);
      this.#wake();
    }
    return again;
  }

  #stopWaiting(key: K): void {
    this.#waiting.get(key)?.cancel();
    this.#waiting.delete(key);
  }
}
