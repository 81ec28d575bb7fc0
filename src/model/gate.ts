import { PinholeError } from './errors.ts';
import { FairQueue } from './fair-queue.ts';

/** Limits how many tasks run at the same time and how many of each owner wait. Owners take turns; of one, the longest-waiting task runs next. */
export class Gate {
  readonly #running: number;
  readonly #waiting: number;
  readonly #queue = new FairQueue<() => void>();
  #active = 0;

  /** @param limits numbers of tasks; at least one may run. `waiting` is for all, and one owner has at most half of it, rounded up */
  constructor(limits: { readonly running: number; readonly waiting: number }) {
    this.#running = limits.running;
    this.#waiting = limits.waiting;
  }

  /** Runs `work` when there is room, and returns its result. @throws PinholeError `overloaded` if too many tasks wait already */
  async run<T>(work: () => Promise<T>, owner = ''): Promise<T> {
    if (this.#active >= this.#running) {
      if (this.#queue.size >= this.#waiting || (owner !== '' && this.#queue.sizeOf(owner) >= Math.ceil(this.#waiting / 2)))
        throw new PinholeError('overloaded', 'Too many requests of this kind are waiting. Try again later.');
      await new Promise<void>((resolve) => this.#queue.push(owner, resolve));
    } else {
      this.#active++;
    }
    try {
      return await work();
    } finally {
      // A waiting task takes over this task's place, so that the count stays the same.
      const next = this.#queue.shift();
      if (next) next();
      else this.#active--;
    }
  }
}
