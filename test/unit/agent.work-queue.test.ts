import { describe, expect, it } from 'vitest';
import { WorkQueue } from '../../src/agent/work-queue.ts';
import { testPorts } from '../support/ports.ts';

describe('work queue', () => {
  const open = () => {
    const ports = testPorts();
    let wakes = 0;
    const queue = new WorkQueue<string>(() => wakes++, ports);
    return { clock: ports.clock, queue, wakes: () => wakes };
  };

  it('keeps a key once, however often it is marked, and wakes its worker each time', () => {
    const { queue, wakes } = open();
    for (const key of ['a', 'b', 'a']) queue.mark(key);
    expect([queue.readySize, wakes()]).toEqual([2, 3]);
    expect([queue.take(10), queue.take(10)]).toEqual([['a', 'b'], []]);
  });

  it('gives up to as many as are asked for, first marked first', () => {
    const { queue } = open();
    for (const key of ['a', 'b', 'c']) queue.mark(key);
    expect([queue.take(2), queue.take(2)]).toEqual([['a', 'b'], ['c']]);
  });

  it('gives a key that is worked on to no other worker, and gives it again after when it was marked meanwhile', () => {
    const { queue } = open();
    queue.mark('a');
    queue.take(1);
    queue.mark('a');
    expect(queue.take(1)).toEqual([]);
    queue.done('a');
    expect(queue.take(1)).toEqual(['a']);
    queue.done('a');
    expect([queue.take(1), queue.size]).toEqual([[], 0]);
  });

  it('waits longer after each failure in a row, at most half a minute, and forgets failures after a success', async () => {
    const { clock, queue } = open();
    queue.mark('a');
    const waits: number[] = [];
    for (let round = 1; round <= 12; round++) {
      queue.take(1);
      const before = clock.monotonic();
      expect(queue.failed('a')).toBe(round);
      expect(queue.readySize).toBe(0);
      await clock.until(() => queue.readySize === 1);
      waits.push(clock.monotonic() - before);
    }
    for (const [index, wait] of waits.entries()) {
      const full = Math.min(30_000, 50 * 2 ** index);
      expect(wait >= full / 2 && wait <= full).toBe(true);
    }
    queue.take(1);
    queue.done('a');
    queue.mark('a');
    queue.take(1);
    expect(queue.failed('a')).toBe(1);
  });

  it('does not let a key wait that was marked since it failed', async () => {
    const { clock, queue } = open();
    queue.mark('a');
    queue.take(1);
    queue.failed('a');
    queue.mark('a');
    expect(queue.take(1)).toEqual(['a']);
    queue.mark('a');
    queue.failed('a');
    expect(queue.take(1)).toEqual(['a']);
    queue.done('a');
    await clock.advance(60_000);
    expect([queue.size, clock.waiting]).toEqual([0, 0]);
  });

  it('counts keys that are ready, worked on and waiting', () => {
    const { queue } = open();
    for (const key of ['a', 'b', 'c']) queue.mark(key);
    queue.take(2);
    queue.failed('a');
    expect(queue.size).toBe(3);
  });

  it('is empty, and stays so, when it is closed', async () => {
    const { clock, queue, wakes } = open();
    for (const key of ['a', 'b']) queue.mark(key);
    queue.take(1);
    queue.failed('a');
    queue.close();
    const before = wakes();
    await clock.advance(60_000);
    expect([queue.size, clock.waiting, wakes()]).toEqual([0, 0, before]);
  });
});
