import type { Clock } from '../ports/clock.ts';

/** What comes within so many milliseconds is handed on together. People notice no such delay, and a flood costs twenty turns a second. */
const COLLECT_MS = 50;

/** Collects items that come one by one, and hands them on in their order, a part after the other. */
export class Collected<T> {
  readonly #clock: Pick<Clock, 'after'>;
  readonly #hand: (items: readonly T[]) => Promise<void>;
  #items: T[] = [];
  #isUnderWay = false;

  /** @param hand takes a part; the next one waits for it. It does not reject. */
  constructor(clock: Pick<Clock, 'after'>, hand: (items: readonly T[]) => Promise<void>) {
    this.#clock = clock;
    this.#hand = hand;
  }

  /** Hands the item on with the next part. */
  add(item: T): void {
    this.#items.push(item);
    this.#plan();
  }

  #plan(): void {
    if (this.#isUnderWay || this.#items.length === 0) return;
    this.#isUnderWay = true;
    this.#clock.after(COLLECT_MS, () => void this.#run());
  }

  async #run(): Promise<void> {
    await this.#hand(this.#items.splice(0));
    this.#isUnderWay = false;
    this.#plan();
  }
}
