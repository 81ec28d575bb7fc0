import type { Timer } from '../ports/clock.ts';
import type { Context } from './context.ts';
import type { Helpers } from './helpers.ts';

const BATCH = 200;
/** Looks at least this often, because clocks are set and other servers add helpers. */
const MAX_WAIT_MS = 5_000;

/** Deletes helpers that have expired. Agents stop applying them at the same time by themselves. */
export class Expiry {
  readonly #context: Context;
  readonly #helpers: Helpers;
  #timer: Timer | null = null;
  #closed = false;

  constructor(context: Context, helpers: Helpers) {
    this.#context = context;
    this.#helpers = helpers;
  }

  /** Starts looking for expired helpers. */
  start(): void {
    this.#runAfter(0);
  }

  /** Stops. A deletion under way is completed. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #run(): Promise<void> {
    let wait = MAX_WAIT_MS;
    try {
      const done = await this.#helpers.expire(BATCH);
      const next = await this.#context.store.read.nextExpiry();
      if (done === BATCH) wait = 0;
      else if (next) wait = Math.min(MAX_WAIT_MS, Math.max(0, Date.parse(next) - this.#context.clock.now().getTime()));
    } catch (error) {
      this.#context.logger.warn({ err: error }, 'expired helpers could not be deleted and will be tried again');
    }
    this.#runAfter(wait);
  }

  #runAfter(ms: number): void {
    if (!this.#closed) this.#timer = this.#context.clock.after(ms, () => void this.#run());
  }
}
