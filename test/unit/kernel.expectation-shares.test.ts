import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExpectationShares } from '../../src/kernel/expectation-shares.ts';
import { runs } from '../support/runs.ts';
import { TestClock } from '../support/test-clock.ts';

describe('shares of events about expectations', () => {
  it('a flood of one namespace leaves room for the others, and what was left out is told', async () => {
    const clock = new TestClock();
    const shares = new ExpectationShares(clock);
    const flood = Array.from({ length: 10_000 }, () => shares.admit('flooded'));
    expect(flood.filter((admitted) => admitted !== null).length).toBe(100);
    for (const netns of ['a', 'b', 'c']) expect(shares.admit(netns)).toBe(0);
    await clock.advance(1_000);
    expect(shares.admit('flooded')).toBe(9_900);
    expect(shares.admit('flooded')).toBe(0);
  });

  it('law: an event is passed on or counted, once, and no more pass than the rate allows', async () => {
    const step = fc.record({
      netns: fc.constantFrom('a', 'b', 'c'),
      events: fc.integer({ min: 0, max: 300 }),
      ms: fc.integer({ min: 0, max: 3_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const clock = new TestClock();
        const shares = new ExpectationShares(clock);
        let [sent, passed, told] = [0, 0, 0];
        for (const { netns, events, ms } of steps) {
          for (let count = 0; count < events; count++) {
            const leftOut = shares.admit(netns);
            sent++;
            if (leftOut === null) continue;
            passed++;
            told += leftOut;
          }
          await clock.advance(ms);
        }
        const elapsed = steps.reduce((sum, { ms }) => sum + ms, 0) / 1_000;
        expect(passed).toBeLessThanOrEqual(3 * (100 + 50 * elapsed) + 1);
        expect(passed + told).toBeLessThanOrEqual(sent);
        await clock.advance(10_000);
        for (const netns of ['a', 'b', 'c']) told += shares.admit(netns) ?? Number.NaN;
        expect(passed + told).toBe(sent);
      }),
      runs(0.3),
    );
  });

  it('forgets a namespace that is gone', () => {
    const clock = new TestClock();
    const shares = new ExpectationShares(clock);
    for (let count = 0; count < 200; count++) shares.admit('a');
    shares.forget('a');
    expect(shares.admit('a')).toBe(0);
  });
});
