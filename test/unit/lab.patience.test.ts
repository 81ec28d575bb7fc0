import { describe, expect, it } from 'vitest';
import { Patience, processorTime } from '../../src/lab/patience.ts';

/** Looks every 100 ms at processes that use a share of a processor. @returns after how many ms the patience ends, at most `untilMs` */
function patienceWith(share: number, options: { quietMs: number; untilMs: number }): number {
  const patience = new Patience(options.quietMs, 0, 0);
  for (let now = 0; now < options.untilMs; now += 100) if (!patience.isLeft(now, now * share)) return now;
  return options.untilMs;
}

describe('how long the demo waits', () => {
  it('ends soon when the processes are idle', () => {
    expect(patienceWith(0, { quietMs: 20_000, untilMs: 60_000 })).toBe(20_100);
    // Timers of idle processes are no work.
    expect(patienceWith(0.05, { quietMs: 20_000, untilMs: 60_000 })).toBe(20_100);
  });

  it('lasts while they work, on a machine that is a hundred times slower and gives them a seventh of a processor', () => {
    expect(patienceWith(0.15, { quietMs: 20_000, untilMs: 600_000 })).toBe(600_000);
  });

  it('lasts through a pause that is shorter than the bound', () => {
    const patience = new Patience(20_000, 0, 0);
    expect(patience.isLeft(19_000, 0)).toBe(true);
    expect(patience.isLeft(20_000, 2_000)).toBe(true);
    expect(patience.isLeft(39_000, 2_000)).toBe(true);
    expect(patience.isLeft(40_001, 2_000)).toBe(false);
  });

  it('ends for processes that never stop to work', () => {
    expect(patienceWith(1, { quietMs: 20_000, untilMs: 3_600_000 })).toBe(1_200_100);
  });
});

describe('the processor time of a process', () => {
  it('grows with its work, and is 0 for a process that is gone', () => {
    const before = processorTime(process.pid);
    const { user } = process.cpuUsage();
    while (process.cpuUsage().user - user < 50_000);
    expect(processorTime(process.pid) - before).toBeGreaterThanOrEqual(30);
    expect(processorTime(2 ** 30)).toBe(0);
  });
});
