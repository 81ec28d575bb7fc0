import { createHash } from 'node:crypto';
import { PinholeError } from '../model/errors.ts';
import type { Clock } from '../ports/clock.ts';

export interface RateOptions {
  /** Requests a second of one token (of one user, with Keystone); twice as many at once. 0: any number. */
  readonly requestsPerSecond: number;
  /** Refused authentications a second from one address; ten times as many at once. 0: any number. */
  readonly failuresPerSecond: number;
}

const MAX_BUCKETS = 10_000;

interface Bucket {
  tokens: number;
  at: number;
}

/** A token bucket for each name: what it has not used of its rate gathers up to `burst`. */
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

  /** @returns seconds until there is one again; 0: there is */
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
    // The one that was not used for the longest: it is the fullest.
    if (this.#buckets.size > MAX_BUCKETS) this.#buckets.delete(this.#buckets.keys().next().value as string);
    return bucket;
  }
}

/** How often who may ask. */
export class RateLimits {
  readonly #requests: Buckets;
  readonly #failures: Buckets;
  /** Fingerprints of tokens that were let in. */
  readonly #good = new Set<string>();

  constructor({ requestsPerSecond, failuresPerSecond }: RateOptions, clock: Clock) {
    this.#requests = new Buckets(requestsPerSecond, requestsPerSecond * 2, clock);
    this.#failures = new Buckets(failuresPerSecond, failuresPerSecond * 10, clock);
  }

  /** @throws PinholeError `too-many-requests` */
  countRequest(name: string): void {
    refuse(this.#requests.wait(name));
    this.#requests.take(name);
  }

  countFailure(address: string): void {
    this.#failures.take(address);
  }

  /**
   * Whoever was let in before is asked for no patience: many may come from one address, a proxy's, and one of them guess.
   * @throws PinholeError `too-many-requests` for an address that was refused too often
   */
  checkAddress(address: string, token: string): void {
    const seconds = this.#failures.wait(address);
    if (seconds > 0 && !this.#good.has(fingerprint(token))) refuse(seconds);
  }

  rememberGood(token: string): void {
    const key = fingerprint(token);
    if (this.#good.has(key)) return;
    this.#good.add(key);
    if (this.#good.size > MAX_BUCKETS) this.#good.delete(this.#good.values().next().value as string);
  }
}

/** Not the token itself: what is kept in memory may be dumped. */
function fingerprint(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}

function refuse(seconds: number): void {
  if (seconds === 0) return;
  throw new PinholeError('too-many-requests', `Too many requests; the next one in ${seconds} s.`, { details: { retryAfter: seconds } });
}
