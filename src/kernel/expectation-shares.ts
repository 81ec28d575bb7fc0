import type { Netns } from '../contract/netns.ts';
import { type Rate, TokenBucket } from '../model/token-bucket.ts';
import type { Clock } from '../ports/clock.ts';

/** A client of one router can announce thousands of ports a second. So many events of one namespace are passed on, and of all together. */
const EACH: Rate = { perSecond: 50, burst: 100 };
const ALL: Rate = { perSecond: 500, burst: 1_000 };

/** Bounds the events about expectations, so that one router's do not keep events and answers of the others away. */
export class ExpectationShares {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #all: TokenBucket;
  readonly #each = new Map<Netns, { readonly bucket: TokenBucket; leftOut: number }>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
    this.#all = new TokenBucket(ALL, clock.monotonic());
  }

  /** Counts an event of a namespace. @returns how many before it were left out since the last one that was passed on; null: leave it out too */
  admit(netns: Netns): number | null {
    const now = this.#clock.monotonic();
    const share = this.#each.get(netns) ?? { bucket: new TokenBucket(EACH, now), leftOut: 0 };
    this.#each.set(netns, share);
    if (share.bucket.wait(now) > 0 || this.#all.wait(now) > 0) {
      share.leftOut++;
      return null;
    }
    share.bucket.take(now);
    this.#all.take(now);
    const { leftOut } = share;
    share.leftOut = 0;
    return leftOut;
  }

  /** Keeps nothing of a namespace that is gone. */
  forget(netns: Netns): void {
    this.#each.delete(netns);
  }
}
