import { describe, expect, it } from 'vitest';
import { PinholeError } from '../../src/model/errors.ts';
import { PendingCalls } from '../../src/sockets/pending-calls.ts';
import { TestClock } from '../support/test-clock.ts';

const ABOUT = { what: "'x' to y", timeoutMs: 1_000 };
const sent = () => undefined;

describe('pending calls', () => {
  const open = () => {
    const clock = new TestClock();
    return { clock, calls: new PendingCalls<number>(clock) };
  };
  const outcome = (call: Promise<unknown>) =>
    call.then(
      (value) => value,
      (error) => error.code ?? error.message,
    );

  it('ends each call with its own answer, in whatever order they come', async () => {
    const { clock, calls } = open();
    const [one, two] = [calls.call(1, ABOUT, sent), calls.call(2, ABOUT, sent)];
    calls.resolve(2, 'second');
    calls.resolve(1, 'first');
    expect(await Promise.all([one, two])).toEqual(['first', 'second']);
    expect([calls.size, clock.waiting]).toEqual([0, 0]);
  });

  it('takes the first answer, and none of a call that it does not know', async () => {
    const { calls } = open();
    const call = calls.call(1, ABOUT, sent);
    calls.resolve(7, 'not asked for');
    calls.resolve(1, 'first');
    calls.resolve(1, 'second');
    calls.reject(1, new Error('late'));
    expect(await call).toBe('first');
  });

  it('ends a call that is not answered in time, and says which', async () => {
    const { clock, calls } = open();
    const call = calls.call(1, ABOUT, sent);
    const ended = outcome(call);
    await clock.advance(999);
    expect(calls.size).toBe(1);
    await clock.advance(1);
    expect(await ended).toBe('timeout');
    await expect(call).rejects.toThrow("'x' to y was not answered in 1000 ms");
    expect(calls.size).toBe(0);
  });

  it.each([
    [
      'at once',
      () => {
        throw new PinholeError('too-large', 'no');
      },
    ],
    ['later', () => Promise.reject(new PinholeError('too-large', 'no'))],
  ])('ends a call that cannot be sent, %s, and keeps nothing of it', async (_when, send) => {
    const { clock, calls } = open();
    expect(await outcome(calls.call(1, ABOUT, send))).toBe('too-large');
    expect([calls.size, clock.waiting]).toEqual([0, 0]);
  });

  it('sends before it returns: calls leave in the order in which they were made', () => {
    const { calls } = open();
    const order: number[] = [];
    for (const id of [1, 2, 3]) void calls.call(id, ABOUT, () => void order.push(id));
    expect(order).toEqual([1, 2, 3]);
  });

  it('fails all that wait, each with an error of its own', async () => {
    const { clock, calls } = open();
    const waiting = [1, 2].map((id) => calls.call(id, ABOUT, sent).catch((error: unknown) => error));
    calls.rejectAll(() => new PinholeError('unreachable', 'gone'));
    const [one, two] = await Promise.all(waiting);
    expect([one, two]).toMatchObject([{ code: 'unreachable' }, { code: 'unreachable' }]);
    expect(one).not.toBe(two);
    expect([calls.size, clock.waiting]).toEqual([0, 0]);
  });
});
