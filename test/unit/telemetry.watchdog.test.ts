import { describe, expect, it } from 'vitest';
import { feedWatchdog } from '../../src/telemetry/watchdog.ts';
import { TestClock } from '../support/test-clock.ts';

describe('the watchdog', () => {
  it('is fed at once and three times a period while the process is well, and not while it is not', async () => {
    const clock = new TestClock();
    let [fed, well] = [0, true];
    const timer = feedWatchdog(
      clock,
      3_000,
      () => well,
      () => fed++,
    );
    await clock.advance(3_000);
    expect(fed).toBe(4);
    well = false;
    await clock.advance(30_000);
    expect(fed).toBe(4);
    well = true;
    await clock.advance(1_000);
    expect(fed).toBe(5);
    timer.cancel();
    await clock.advance(30_000);
    expect(fed).toBe(5);
  });

  it('is not fed by a process that cannot say that it is well, or does not answer in time', async () => {
    const clock = new TestClock();
    let fed = 0;
    let ask: () => Promise<boolean> = () => Promise.reject(new Error('no'));
    feedWatchdog(
      clock,
      3_000,
      () => ask(),
      () => fed++,
    );
    await clock.advance(3_000);
    let asked = 0;
    ask = () => {
      asked++;
      return new Promise(() => undefined);
    };
    await clock.advance(30_000);
    expect([fed, asked]).toEqual([0, 1]);
  });
});
