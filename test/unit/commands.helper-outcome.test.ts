import { describe, expect, it } from 'vitest';
import { outcomeOf, type Seen, secondsToWait } from '../../src/commands/helper/outcome.ts';
import type { HelperId } from '../../src/contract/primitives.ts';
import type { StatusValue } from '../../src/contract/status.ts';
import { TestClock } from '../support/test-clock.ts';

const ID = 'a' as HelperId;

describe('how long a command waits', () => {
  it.each([
    [undefined, true, 5],
    [undefined, false, 0],
    [true, false, 5],
    [false, true, 0],
    ['30', false, 30],
    ['0', true, 0],
  ] as const)('--wait %s, on a terminal: %s: %d seconds', (wait, isTerminal, seconds) => {
    expect(secondsToWait(wait === undefined ? {} : { wait }, isTerminal)).toBe(seconds);
  });

  it.each(['x', '-1', '3601', '1e3', ''])('not for %j seconds', (wait) => {
    expect(() => secondsToWait({ wait }, true)).toThrow(`--wait: '${wait}' is not a number of seconds up to 3600.`);
  });
});

describe('the outcome of a helper', () => {
  /** A status of the router at this revision: what its agent reported of which revision. */
  const seen = (revision: number, reported: number | null, status: StatusValue | null, rest: object = {}): Seen =>
    ({
      router: { revision, host: 'h', netns: 'n', ...rest },
      reportedRevision: reported,
      helpers: status === null ? [] : [{ id: ID, families: [{ family: 'ipv4', status, reason: '', verifiedAt: null }] }],
    }) as unknown as Seen;

  /** Waits for a helper whose status is each of these in turn, and then the last. @returns its status, after so many questions and ms */
  async function outcome(seconds: number, ...all: Seen[]): Promise<[string | undefined, number, number]> {
    const clock = new TestClock();
    let asked = 0;
    const read = async () => all[Math.min(asked++, all.length - 1)] as Seen;
    const found = outcomeOf(ID, { read, seconds, clock });
    let families: Awaited<typeof found> | undefined;
    void found.then((value) => {
      families = value;
    });
    for (let waited = 0; ; waited += 100) {
      await clock.advance(waited === 0 ? 0 : 100);
      if (families !== undefined) return [families?.[0]?.status, asked, waited];
    }
  }

  it('is there at once where the agent has told of this revision', async () => {
    expect(await outcome(5, seen(2, 2, 'ACTIVE'))).toEqual(['ACTIVE', 1, 0]);
    expect(await outcome(5, seen(2, 2, 'ERROR'))).toEqual(['ERROR', 1, 0]);
  });

  it('is waited for while the agent has told of an older revision, whatever it told', async () => {
    expect(await outcome(5, seen(3, 2, 'ACTIVE'), seen(3, 2, 'ACTIVE'), seen(3, 3, 'ERROR'))).toEqual(['ERROR', 3, 400]);
    expect(await outcome(5, seen(3, null, 'PENDING'), seen(3, 3, 'ACTIVE'))).toEqual(['ACTIVE', 2, 200]);
  });

  it('does not wait for changes that others make afterwards', async () => {
    expect(await outcome(5, seen(3, 2, 'PENDING'), seen(9, 3, 'ACTIVE'))).toEqual(['ACTIVE', 2, 200]);
  });

  it('is the last status once the time is over', async () => {
    expect(await outcome(1, seen(3, 2, 'PENDING'))).toEqual(['PENDING', 6, 1_000]);
    expect(await outcome(1, seen(3, 3, 'UNKNOWN'))).toEqual(['UNKNOWN', 6, 1_000]);
    expect(await outcome(1, seen(3, 2, 'ERROR'))).toEqual(['ERROR', 6, 1_000]);
  });

  it('is never what the agent told of the helper before a change', async () => {
    expect(await outcome(1, seen(3, 2, 'ACTIVE'))).toEqual(['PENDING', 6, 1_000]);
  });

  it('is not waited for where no agent serves the router, or the helper is gone', async () => {
    expect(await outcome(5, seen(3, null, 'PENDING', { host: null }))).toEqual(['PENDING', 1, 0]);
    expect(await outcome(5, seen(3, null, 'PENDING', { netns: null }))).toEqual(['PENDING', 1, 0]);
    expect(await outcome(5, seen(3, 2, null))).toEqual([undefined, 1, 0]);
  });
});
