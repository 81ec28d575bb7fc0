import { PinholeError } from '../model/errors.ts';

/** Limits how many tasks run at the same time and how many wait. The longest-waiting task runs next. */
export class Gate {
  readonly #running: number;
  readonly #waiting: number;
  readonly #queue: (() => void)[] = [];
  #active = 0;

  /** @param limits numbers of tasks; at least one may run */
  constructor(limits: { readonly running: number; readonly waiting: number }) {
    this.#running = limits.running;
    this.#waiting = limits.waiting;
  }

  /** Runs `work` when there is room, and returns its result. @throws PinholeError `overloaded` if too many tasks wait already */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#active >= this.#running) {
      if (this.#queue.length >= this.#waiting)
        throw new PinholeError('overloaded', 'Too many requests of this kind are waiting. Try again later.');
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    } else {
      this.#active++;
    }
    try {
      return await work();
    } finally {
      // The longest-waiting task takes over this task's place, so that the count stays the same.
      const next = this.#queue.shift();
      if (next) next();
      else this.#active--;
    }
  }
}
