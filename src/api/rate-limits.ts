import { createHash } from 'node:crypto';
import { PinholeError } from '../model/errors.ts';
import type { Clock } from '../ports/clock.ts';

/** Rates of the token buckets. */
export interface RateOptions {
  /** Requests per second of one token (with Keystone: of one user), with bursts of twice as many. 0 for no limit. */
  readonly requestsPerSecond: number;
  /** Refused authentications per second from one address, with bursts of ten times as many. 0 for no limit. */
  readonly failuresPerSecond: number;
}

const MAX_BUCKETS = 10_000;

interface Bucket {
  tokens: number;
  at: number;
}

/** One token bucket per name. Unused rate accumulates up to `burst`. Beyond 10,000 names, the least recently used bucket is dropped. */
class Buckets {
  readonly #rate: number;
  readonly #burst: number;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  constructor(rate: number, burst: number, clock: Clock) {
    this.#rate = rate;
    this.#burst = burst;
    this.#clock = clock;
  }

  /** @returns seconds until the name may take again, rounded up; 0 if it may take now */
  wait(name: string): number {
    if (this.#rate === 0) return 0;
    const { tokens } = this.#filled(name);
    return tokens >= 1 ? 0 : Math.ceil((1 - tokens) / this.#rate);
  }

  take(name: string): void {
    if (this.#rate > 0) this.#filled(name).tokens -= 1;
  }

  #filled(name: string): Bucket {
    const now = this.#clock.monotonic();
    const bucket = this.#buckets.get(name) ?? { tokens: this.#burst, at: now };
    bucket.tokens = Math.min(this.#burst, bucket.tokens + ((now - bucket.at) / 1000) * this.#rate);
    bucket.at = now;
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
  /** Fingerprints of tokens that were accepted. */
  readonly #good = new Set<string>();

  /** @param clock its monotonic time is used */
  constructor({ requestsPerSecond, failuresPerSecond }: RateOptions, clock: Clock) {
    this.#requests = new Buckets(requestsPerSecond, requestsPerSecond * 2, clock);
    this.#failures = new Buckets(failuresPerSecond, failuresPerSecond * 10, clock);
  }

  /** Counts a request of the principal with this name. @throws PinholeError `too-many-requests` */
  countRequest(name: string): void {
    refuse(this.#requests.wait(name));
    this.#requests.take(name);
  }

  /** Counts a refused authentication from this address. */
  countFailure(address: string): void {
    this.#failures.take(address);
  }

  /**
   * Refuses an address with too many failures. A token that was accepted before is exempt: many clients can share the address of a
   * proxy, and one of them may be guessing.
   * @throws PinholeError `too-many-requests`
   */
  checkAddress(address: string, token: string): void {
    const seconds = this.#failures.wait(address);
    if (seconds > 0 && !this.#good.has(fingerprint(token))) refuse(seconds);
  }

  /** Exempts an accepted token from {@link checkAddress}. */
  rememberGood(token: string): void {
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
