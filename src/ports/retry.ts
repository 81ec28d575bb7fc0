import type { Chance } from './chance.ts';

/** How long to wait between attempts, in milliseconds, both above 0. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * The wait after `failures` (1 and up) failures in a row. The full wait doubles from `firstMs` to at most `maxMs`; what is returned
 * lies between half of it and all of it, so that many who failed together do not come back together.
 */
export function retryDelay(failures: number, { firstMs, maxMs }: Backoff, chance: Chance): number {
  const full = Math.min(maxMs, firstMs * 2 ** (failures - 1));
  return full * (0.5 + chance() / 2);
}

/** {@link retryDelay} for one thing that is tried again until it succeeds. */
export class Retry {
  readonly #backoff: Backoff;
  readonly #chance: Chance;
  #failures = 0;

  constructor(backoff: Backoff, chance: Chance) {
    this.#backoff = backoff;
    this.#chance = chance;
  }

  /** It failed once more. @returns milliseconds to wait before the next attempt */
  failed(): number {
    this.#failures++;
    return retryDelay(this.#failures, this.#backoff, this.#chance);
  }

  /** The next failure is the first again. */
  succeeded(): void {
    this.#failures = 0;
  }
}
