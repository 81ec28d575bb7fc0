import type { Chance } from '../../../src/ports/chance.ts';

/** Choices from a source of chance. */
export class Picker {
  readonly #chance: Chance;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** True in one of `n` cases on average. */
  oneIn(n: number): boolean {
    return this.#chance() * n < 1;
  }

  /** A whole number from `from` to `to`, both inclusive. */
  number(from: number, to: number): number {
    return from + Math.floor(this.#chance() * (to - from + 1));
  }

  of<T>(all: readonly T[]): T {
    return all[this.number(0, all.length - 1)] as T;
  }

  /** Between `least` and `most` different items, in their order. */
  some<T>(all: readonly T[], least: number, most: number): T[] {
    const wanted = this.number(least, Math.min(most, all.length));
    const left = new Set(all.keys());
    while (left.size > wanted) left.delete(this.of([...left]));
    return [...left].map((index) => all[index] as T);
  }

  times<T>(least: number, most: number, each: (index: number) => T): T[] {
    return Array.from({ length: this.number(least, most) }, (_, index) => each(index));
  }
}
