/** A random number in [0, 1). For jitter and choices; secrets come from `node:crypto`. */
export type Chance = () => number;

/** The machine's own randomness. Composition roots choose it; all other modules are handed a {@link Chance}. */
export const systemChance: Chance = Math.random;

/**
 * The same numbers for the same seed (a whole number; its lower 32 bits count): mulberry32, a generator in the public domain by Tommy
 * Ettinger.
 */
export function seededChance(seed: number): Chance {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
