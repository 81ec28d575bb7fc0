import { createHash } from 'node:crypto';
import { PinholeError } from '../model/errors.ts';
import { type Rate, TokenBucket } from '../model/token-bucket.ts';
import type { Clock } from '../ports/clock.ts';

/** Rates of the token buckets. */
export interface RateOptions {
  /** Requests per second of one token (with Keystone: of one user), with bursts of twice as many. 0 for no limit. */
  readonly requestsPerSecond: number;
  /** Refused authentications per second from one address, with bursts of ten times as many. 0 for no limit. */
  readonly failuresPerSecond: number;
}

const MAX_BUCKETS = 10_000;
/** Unknown tokens from addresses with too many failures of which the identity service is asked at the same time. */
const MAX_DOUBTFUL = 4;

/** One token bucket per name. Beyond 10,000 names, the least recently used bucket is dropped. */
class Buckets {
  readonly #rate: Rate;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, TokenBucket>();

  /** @param rate `perSecond` 0: no limit */
  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** @returns seconds until the name may take again, rounded up; 0 if it may take now */
  wait(name: string): number {
    return this.#rate.perSecond === 0 ? 0 : Math.ceil(this.#used(name).wait(this.#clock.monotonic()));
  }

  take(name: string): void {
    if (this.#rate.perSecond > 0) this.#used(name).take(this.#clock.monotonic());
  }

  #used(name: string): TokenBucket {
    const bucket = this.#buckets.get(name) ?? new TokenBucket(this.#rate, this.#clock.monotonic());
    this.#buckets.delete(name);
    this.#buckets.set(name, bucket);
    // The least recently used bucket is the fullest, so that dropping it forgives the least.
    if (this.#buckets.size > MAX_BUCKETS) this.#buckets.delete(this.#buckets.keys().next().value as string);
    return bucket;
  }
}

/** Limits the rate of requests per principal and of refused authentications per address. */
export class RateLimits {
  readonly #requests: Buckets;
  readonly #failures: Buckets;
  /** Fingerprints of tokens that another service accepted. */
  readonly #good = new Set<string>();
  #doubtful = 0;

  /** @param clock its monotonic time is used */
  constructor({ requestsPerSecond, failuresPerSecond }: RateOptions, clock: Clock) {
    this.#requests = new Buckets({ perSecond: requestsPerSecond, burst: requestsPerSecond * 2 }, clock);
    this.#failures = new Buckets({ perSecond: failuresPerSecond, burst: failuresPerSecond * 10 }, clock);
  }

  /** Counts a request of the principal with this name. @throws PinholeError `too-many-requests` */
  countRequest(name: string): void {
    refuse(this.#requests.wait(name));
    this.#requests.take(name);
  }

  /**
   * Checks a token from an address. Many clients can share the address of a proxy, and one of them may be guessing: a valid token is
   * accepted whatever the address did before. After too many failures there, a refused token gets `too-many-requests`.
   * @param check resolves for a valid token; rejects with PinholeError `unauthenticated` for another
   * @param asksElsewhere whether `check` costs a request to another service: then it is called for few unknown tokens at a time
   * @throws the error of `check`; PinholeError `too-many-requests`
   */
  async authenticated<T>(
    { address, token }: { readonly address: string; readonly token: string },
    check: () => Promise<T>,
    { asksElsewhere }: { readonly asksElsewhere: boolean },
  ): Promise<T> {
    const seconds = this.#failures.wait(address);
    const isDoubtful = asksElsewhere && seconds > 0 && !this.#good.has(fingerprint(token));
    if (isDoubtful && this.#doubtful >= MAX_DOUBTFUL) refuse(seconds);
    if (isDoubtful) this.#doubtful++;
    try {
      const result = await check();
      if (asksElsewhere) this.#rememberGood(token);
      return result;
    } catch (error) {
      if (!(error instanceof PinholeError) || error.code !== 'unauthenticated') throw error;
      if (seconds === 0) this.#failures.take(address);
      refuse(seconds);
      throw error;
    } finally {
      if (isDoubtful) this.#doubtful--;
    }
  }

  #rememberGood(token: string): void {
    const key = fingerprint(token);
    if (this.#good.has(key)) return;
    this.#good.add(key);
    if (this.#good.size > MAX_BUCKETS) this.#good.delete(this.#good.values().next().value as string);
  }
}

/** The set holds hashes and no tokens, because memory may end up in a dump. */
function fingerprint(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}

function refuse(seconds: number): void {
  if (seconds === 0) return;
  throw new PinholeError('too-many-requests', `Too many requests. Try again in ${seconds} s.`, { details: { retryAfter: seconds } });
}
