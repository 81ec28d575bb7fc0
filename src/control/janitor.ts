import type { Timer } from '../ports/clock.ts';
import type { Context } from './context.ts';

/** What is kept how long. */
export interface Retention {
  readonly auditDays: number;
  readonly eventDays: number;
}

const DAY_MS = 86_400_000;
const EVERY_MS = 600_000;
/** Rows a transaction, so that nobody waits long. */
const BATCH = 2_000;
/** As long as a client may take to send a request again. */
const IDEMPOTENCY_MS = DAY_MS;

/** Removes what is older than it has to be kept: audit, events, idempotency keys. */
export class Janitor {
  readonly #context: Context;
  readonly #retention: Retention;
  #timer: Timer | null = null;
  #closed = false;

  constructor(context: Context, retention: Retention) {
    this.#context = context;
    this.#retention = retention;
  }

  start(): void {
    if (!this.#closed) this.#timer = this.#context.clock.after(EVERY_MS, () => void this.#run());
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** @returns how many rows went */
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
    await this.clean().catch((error) => this.#context.logger.warn({ err: error }, 'removing old rows failed; tried again'));
    this.start();
  }
}
