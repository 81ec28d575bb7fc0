import { beforeEach, describe, expect, it } from 'vitest';
import { ExpiryTimers } from '../../src/agent/expiry-timers.ts';
import type { Netns } from '../../src/contract/netns.ts';
import { desiredHelper, desiredRouter } from '../support/arbitraries.ts';
import { TestClock } from '../support/test-clock.ts';

const DAY_MS = 86_400_000;

describe('expiry timers', () => {
  let clock: TestClock;
  let expired: { netns: Netns; at: number }[];
  let timers: ExpiryTimers;
  beforeEach(() => {
    clock = new TestClock();
    expired = [];
    timers = new ExpiryTimers(clock, (netns) => expired.push({ netns, at: clock.monotonic() }));
  });

  /** A router with helpers that end in so many milliseconds; null: never. */
  const router = (...ends: (number | null)[]) =>
    desiredRouter(
      ends.map((ms, index) => desiredHelper('ftp', 'tcp', index + 1, { expiresAt: ms === null ? null : clock.in(ms) })),
      { netns: 'a' },
    );

  it('wake the namespace at the end of each helper, and not for those that have none or have ended', async () => {
    timers.schedule(router(2_000, null, 1_000, -5, 2_000));
    await clock.advance(10_000);
    expect(expired).toEqual([
      { netns: 'a', at: 1_000 },
      { netns: 'a', at: 2_000 },
    ]);
    expect(clock.waiting).toBe(0);
  });

  it('are replaced when the router changes, and end with it', async () => {
    const first = router(1_000);
    timers.schedule(first);
    timers.schedule({ ...first, helpers: router(3_000).helpers });
    await clock.advance(2_000);
    expect(expired).toEqual([]);
    timers.forget(first.id);
    await clock.advance(2_000);
    expect([expired, clock.waiting]).toEqual([[], 0]);
  });

  it('wait for an end that is months away', async () => {
    timers.schedule(router(100 * DAY_MS));
    await clock.advance(100 * DAY_MS - 1);
    expect(expired).toEqual([]);
    await clock.advance(1);
    expect(expired).toHaveLength(1);
  });

  it('wake again at the end when the wall clock was set back meanwhile', async () => {
    timers.schedule(router(60_000));
    await clock.advance(30_000);
    clock.setWall('2025-12-31T23:59:30.000Z');
    await clock.advance(30_000);
    expect(expired.map(({ at }) => at)).toEqual([60_000]);
    await clock.advance(60_000);
    expect(expired.map(({ at }) => at)).toEqual([60_000, 120_000]);
  });

  it('end when they are closed', async () => {
    timers.schedule(router(1_000));
    timers.close();
    await clock.advance(2_000);
    expect([expired, clock.waiting]).toEqual([[], 0]);
  });
});
