import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Clock, systemClock } from '../../src/ports/clock.ts';
import { Timers } from '../../src/ports/timers.ts';
import { testPorts } from '../support/ports.ts';
import { TestClock } from '../support/test-clock.ts';

/** A clock under test, and how its time is made to pass. */
interface Subject {
  readonly clock: Clock;
  advance(ms: number): Promise<void>;
}

const testClock = (): Subject => {
  const clock = new TestClock();
  return { clock, advance: (ms) => clock.advance(ms) };
};
/** On timers of vitest's in place of Node's. */
const onFakeTimers = (): Subject => ({ clock: systemClock, advance: async (ms) => void (await vi.advanceTimersByTimeAsync(ms)) });

describe.each([
  ['the system’s', onFakeTimers],
  ['the tests’', testClock],
])('%s clock', (_name, open) => {
  let subject: Subject;
  let done: string[];
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] });
    subject = open();
    done = [];
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const note = (what: string) => () => void done.push(what);

  it('runs work once, when its time has come and not before', async () => {
    subject.clock.after(100, note('late'));
    subject.clock.after(50, note('early'));
    await subject.advance(49);
    expect(done).toEqual([]);
    await subject.advance(1);
    expect(done).toEqual(['early']);
    await subject.advance(1_000);
    expect(done).toEqual(['early', 'late']);
  });

  it('does not run what was cancelled', async () => {
    const timer = subject.clock.after(10, note('never'));
    const interval = subject.clock.every(10, note('never'));
    timer.cancel();
    interval.cancel();
    await subject.advance(100);
    timer.cancel();
    expect(done).toEqual([]);
  });

  it('repeats until it is cancelled, by the work itself too', async () => {
    const interval = subject.clock.every(10, () => {
      done.push('again');
      if (done.length === 3) interval.cancel();
    });
    await subject.advance(100);
    expect(done).toHaveLength(3);
  });

  it('waits longer than Node’s timers can', async () => {
    const days = 60 * 86_400_000;
    subject.clock.after(days, note('at last'));
    await subject.advance(days - 1);
    expect(done).toEqual([]);
    await subject.advance(1);
    expect(done).toEqual(['at last']);
  });

  it('cancels a wait that is longer than Node’s timers can wait, in its second part', async () => {
    const timer = subject.clock.after(60 * 86_400_000, note('never'));
    await subject.advance(40 * 86_400_000);
    timer.cancel();
    await subject.advance(40 * 86_400_000);
    expect(done).toEqual([]);
  });

  it('sleeps, until the time is over or the signal aborts', async () => {
    const stop = new AbortController();
    void subject.clock.sleep(10).then(note('slept'));
    void subject.clock.sleep(1_000, stop.signal).then(note('woken'));
    await subject.advance(10);
    expect(done).toEqual(['slept']);
    stop.abort();
    await subject.clock.sleep(1_000, stop.signal);
    expect(done).toEqual(['slept', 'woken']);
  });

  it('tells durations and wall time', async () => {
    const [wall, elapsed] = [subject.clock.now().getTime(), subject.clock.monotonic()];
    await subject.advance(1_500);
    expect(subject.clock.now().getTime() - wall).toBe(1_500);
    expect(subject.clock.monotonic() - elapsed).toBeCloseTo(1_500);
  });
});

describe('the tests’ clock', () => {
  it('lets promises settle between two timers', async () => {
    const clock = new TestClock();
    const done: string[] = [];
    const work = async () => {
      for (let turn = 0; turn < 50; turn++) await Promise.resolve();
      done.push('settled');
      clock.after(1, () => done.push('and what follows'));
    };
    clock.after(1, () => void work());
    clock.after(3, () => done.push('next'));
    await clock.advance(3);
    expect(done).toEqual(['settled', 'and what follows', 'next']);
  });

  it('advances until a condition holds, and says where it does not', async () => {
    const clock = new TestClock();
    let count = 0;
    const interval = clock.every(10, () => count++);
    await clock.until(() => count === 5);
    expect(clock.monotonic()).toBe(50);
    await expect(clock.until(() => count < 0, 100)).rejects.toThrow('not within 100 ms');
    interval.cancel();
    expect(clock.waiting).toBe(0);
  });

  it('has a wall clock that can be set, which timers do not notice', async () => {
    const clock = new TestClock();
    let ran = false;
    clock.after(10, () => {
      ran = true;
    });
    clock.setWall('2040-01-01T00:00:00.000Z');
    expect(ran).toBe(false);
    await clock.advance(10);
    expect([ran, clock.now().toISOString()]).toEqual([true, '2040-01-01T00:00:00.010Z']);
  });
});

describe('timers of one owner', () => {
  it('end together', async () => {
    const ports = testPorts();
    const timers = new Timers(ports);
    const done: string[] = [];
    timers.after(10, () => done.push('once'));
    timers.everyAbout(10, () => done.push('again'));
    await ports.clock.advance(13);
    const { length } = done;
    expect(done).toContain('once');
    timers.close();
    timers.after(1, () => done.push('too late'));
    await ports.clock.advance(1_000);
    expect([done.length, ports.clock.waiting]).toEqual([length, 0]);
  });

  it('repeat within a quarter of the period, unevenly', async () => {
    const ports = testPorts();
    const timers = new Timers(ports);
    const times: number[] = [];
    timers.everyAbout(100, () => times.push(ports.clock.monotonic()));
    await ports.clock.advance(10_000);
    const gaps = times.map((time, index) => time - (times[index - 1] ?? 0));
    for (const gap of gaps) expect(gap >= 75 && gap <= 125).toBe(true);
    expect(new Set(gaps).size).toBeGreaterThan(50);
    timers.close();
  });
});
