import { PinholeError } from '../model/errors.ts';

/** Lets so many run at a time and so many wait; more are turned away. */
export class Gate {
  readonly #running: number;
  readonly #waiting: number;
  readonly #queue: (() => void)[] = [];
  #active = 0;

  constructor(limits: { readonly running: number; readonly waiting: number }) {
    this.#running = limits.running;
    this.#waiting = limits.waiting;
  }

  /** @throws PinholeError `overloaded` where too many wait already */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#active >= this.#running) {
      if (this.#queue.length >= this.#waiting) throw new PinholeError('overloaded', 'too many wait for this already');
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    } else {
      this.#active++;
    }
    try {
      return await work();
    } finally {
      // Whoever waits longest takes the place over.
      const next = this.#queue.shift();
      if (next) next();
      else this.#active--;
    }
  }
}
