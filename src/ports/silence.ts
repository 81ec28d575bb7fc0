import type { Clock, Timer } from './clock.ts';

export interface SilenceOptions {
  /** Milliseconds without a sign of life after which the other end counts as silent; it is noticed a quarter of that later at most. */
  readonly afterMs: number;
  /** Asks the other for a sign of life. Called at the start, and at every step. Default: the other gives them unasked. */
  readonly ask?: () => void;
  /** The other was silent for too long. Called once a start. */
  readonly silent: () => void;
}

/** A deadline consists of so many steps. */
const STEPS = 4;

/**
 * Notices that another process has fallen silent. Silence is counted in steps of this process's own
 * event loop: one that was itself stopped, or had no processor, counts one step when it goes on, and reads what came meanwhile
 * before it counts the next. A machine that slows both processes down is therefore no death of the other.
 */
export class Silence {
  readonly #clock: Clock;
  readonly #options: SilenceOptions;
  #timer: Timer | null = null;
  #quiet = 0;

  constructor(clock: Clock, options: SilenceOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** Begins to count, anew. */
  start(): void {
    this.stop();
    this.#quiet = 0;
    this.#timer = this.#clock.every(this.#options.afterMs / STEPS, () => this.#step());
    this.#options.ask?.();
  }

  /** The other gave a sign of life. */
  heard(): void {
    this.#quiet = 0;
  }

  /** Counts no more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #step(): void {
    this.#quiet++;
    if (this.#quiet <= STEPS) {
      this.#options.ask?.();
      return;
    }
    this.stop();
    this.#options.silent();
  }
}
