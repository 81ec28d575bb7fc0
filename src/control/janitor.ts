import type { Timer } from '../ports/clock.ts';
import type { Context } from './context.ts';

/** Days after which entries and events are deleted. */
export interface Retention {
  readonly auditDays: number;
  readonly eventDays: number;
}

const DAY_MS = 86_400_000;
const EVERY_MS = 600_000;
/** Rows per transaction. Small transactions keep other writes from waiting. */
const BATCH = 2_000;
/** The time within which a client may repeat a request under the same key. */
const IDEMPOTENCY_MS = DAY_MS;

/** Deletes audit entries, events and idempotency keys whose retention has ended. */
export class Janitor {
  readonly #context: Context;
  readonly #retention: Retention;
  #timer: Timer | null = null;
  #closed = false;

  constructor(context: Context, retention: Retention) {
    this.#context = context;
    this.#retention = retention;
  }

  /** Starts deleting at intervals. */
  start(): void {
    if (!this.#closed) this.#timer = this.#context.clock.after(EVERY_MS, () => void this.#run());
  }

  /** Stops. A batch under way is completed. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** Deletes everything that is due now. @returns the number of deleted rows */
  async clean(): Promise<number> {
    const now = this.#context.clock.now().getTime();
    const ago = (ms: number) => new Date(now - ms).toISOString();
    const older = {
      audit: ago(this.#retention.auditDays * DAY_MS),
      events: ago(this.#retention.eventDays * DAY_MS),
      idempotency: ago(IDEMPOTENCY_MS),
    };
    for (let total = 0; ; ) {
      const removed = await this.#context.store.write((tx) => tx.prune(older, BATCH));
      total += removed;
      if (removed < BATCH || this.#closed) return total;
    }
  }

  async #run(): Promise<void> {
    await this.clean().catch((error) => this.#context.logger.warn({ err: error }, 'old rows could not be deleted and will be tried again'));
    this.start();
  }
}
