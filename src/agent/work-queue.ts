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
  readonly #waiting = new Map<K, NodeJS.Timeout>();
  readonly #wake: () => void;
  readonly #backoff: Backoff;

  constructor(wake: () => void, backoff: Backoff = DEFAULT_BACKOFF) {
    this.#wake = wake;
    this.#backoff = backoff;
  }

  get size(): number {
    return this.#ready.size + this.#busy.size + this.#waiting.size;
  }

  get readySize(): number {
    return this.#ready.size;
  }

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

  done(key: K): void {
    this.#failures.delete(key);
    this.#release(key);
  }

  /** @returns how often it has failed in a row */
  failed(key: K): number {
    const count = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, count);
    if (this.#release(key)) return count;
    const timer = setTimeout(
      () => {
        this.#waiting.delete(key);
        this.#ready.add(key);
        this.#wake();
      },
      backoffDelay(count, this.#backoff),
    );
    this.#waiting.set(key, timer);
    return count;
  }

  forget(key: K): void {
    this.#stopWaiting(key);
    this.#ready.delete(key);
    this.#failures.delete(key);
  }

  close(): void {
    for (const timer of this.#waiting.values()) clearTimeout(timer);
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
    const timer = this.#waiting.get(key);
    if (timer) clearTimeout(timer);
    this.#waiting.delete(key);
  }
}

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

export const DEFAULT_BACKOFF: Backoff = { firstMs: 50, maxMs: 30_000 };

/** Doubles from the first wait to the longest; between half and all of it, so that many do not come back at once. */
export function backoffDelay(failures: number, { firstMs, maxMs }: Backoff): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 20));
  return full * (0.5 + Math.random() / 2);
}
