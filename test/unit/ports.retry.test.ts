import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededChance } from '../../src/ports/chance.ts';
import { Retry, retryDelay } from '../../src/ports/retry.ts';

const backoffs = fc.record({ firstMs: fc.integer({ min: 1, max: 10_000 }), maxMs: fc.integer({ min: 1, max: 100_000 }) });
const chances = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('the retry schedule', () => {
  it('waits between half of the full wait and all of it, never longer than the longest, whatever chance says', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), backoffs, chances, (failures, backoff, drawn) => {
        let full = backoff.firstMs;
        for (let doubled = 1; doubled < failures && full < backoff.maxMs; doubled++) full *= 2;
        full = Math.min(full, backoff.maxMs);
        const delay = retryDelay(failures, backoff, () => drawn);
        expect(delay).toBeGreaterThanOrEqual(full / 2);
        expect(delay).toBeLessThanOrEqual(full);
        expect(delay).toBeLessThanOrEqual(backoff.maxMs);
      }),
    );
  });

  it('never waits less after one failure more', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), backoffs, chances, (failures, backoff, drawn) => {
        const [before, after] = [failures, failures + 1].map((count) => retryDelay(count, backoff, () => drawn));
        expect(after).toBeGreaterThanOrEqual(before as number);
      }),
    );
  });

  it('counts failures in a row, and begins anew after a success', () => {
    const retry = new Retry({ firstMs: 100, maxMs: 500 }, () => 0.5);
    expect([retry.failed(), retry.failed(), retry.failed(), retry.failed(), retry.failed()]).toEqual([75, 150, 300, 375, 375]);
    retry.succeeded();
    expect(retry.failed()).toBe(75);
  });

  it('spreads those who failed together over half of the wait', () => {
    const chance = seededChance(7);
    const delays = Array.from({ length: 1_000 }, () => retryDelay(3, { firstMs: 100, maxMs: 1_000 }, chance));
    const quarters = [0, 1, 2, 3].map((quarter) => delays.filter((delay) => Math.floor((delay - 200) / 50) === quarter).length);
    expect(quarters.reduce((sum, count) => sum + count)).toBe(1_000);
    for (const count of quarters) expect(count).toBeGreaterThan(200);
  });
});

describe('seeded chance', () => {
  it('gives the same numbers in [0, 1) for the same seed, and others for another', () => {
    const draw = (seed: number) => Array.from({ length: 100 }, seededChance(seed));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    for (const number of draw(3)) expect(number >= 0 && number < 1).toBe(true);
  });
});
