import { describe, expect, it } from 'vitest';
import { Silence } from '../../src/ports/silence.ts';
import { TestClock } from '../support/test-clock.ts';

describe('silence', () => {
  function open() {
    const clock = new TestClock();
    const told: string[] = [];
    const silence = new Silence(clock, { afterMs: 1_000, ask: () => told.push('asked'), silent: () => told.push('silent') });
    return { clock, told, silence };
  }

  it('is noticed after the deadline, a quarter of it later at most, and told once', async () => {
    const { clock, told, silence } = open();
    silence.start();
    await clock.advance(1_000);
    expect(told).not.toContain('silent');
    await clock.advance(250);
    expect(told.at(-1)).toBe('silent');
    await clock.advance(10_000);
    expect(told.filter((one) => one === 'silent')).toHaveLength(1);
  });

  it('is none while the other gives signs of life', async () => {
    const { clock, told, silence } = open();
    silence.start();
    for (let time = 0; time < 10_000; time += 500) {
      await clock.advance(500);
      silence.heard();
    }
    expect(told).not.toContain('silent');
    await clock.advance(1_250);
    expect(told).toContain('silent');
  });

  it('asks at the start and in each step', async () => {
    const { clock, told, silence } = open();
    silence.start();
    await clock.advance(500);
    expect(told).toEqual(['asked', 'asked', 'asked']);
  });

  it('counts a time in which this process itself stood still as one step', async () => {
    const { clock, told, silence } = open();
    silence.start();
    await clock.advance(750);
    silence.heard();
    // After SIGCONT, the timer that was due fires once, and what came meanwhile is read before it fires again.
    await clock.advance(250);
    silence.heard();
    await clock.advance(1_000);
    expect(told).not.toContain('silent');
  });

  it('that was stopped counts no more, and one that is started again counts anew', async () => {
    const { clock, told, silence } = open();
    silence.start();
    await clock.advance(900);
    silence.stop();
    await clock.advance(10_000);
    expect([told.includes('silent'), clock.waiting]).toEqual([false, 0]);
    silence.start();
    await clock.advance(1_000);
    expect(told).not.toContain('silent');
  });
});
