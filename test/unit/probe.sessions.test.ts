import { describe, expect, it } from 'vitest';
import { portsOf, rangeOf } from '../../src/commands/probe/flags.ts';
import { MAX_KEPT } from '../../src/probe/channel.ts';
import { DEFAULT_LIMITS, type Limits, Session, Sessions } from '../../src/probe/sessions.ts';
import { MAX_TRIALS, trialId } from '../../src/probe/trial-id.ts';
import { TestClock } from '../support/test-clock.ts';

const token = (number: number) => number.toString(16).padStart(16, '0');
const nothing = () => undefined;

function begun(sessions: Sessions, number: number, address: string): Session {
  const session = sessions.begin(token(number), address, nothing);
  if (typeof session === 'string') throw new Error(session);
  return session;
}

function sessionsWith(limits: Partial<Limits>) {
  const clock = new TestClock();
  return { clock, sessions: new Sessions(clock, { ...DEFAULT_LIMITS, ...limits }) };
}

describe('the sessions of a reflector', () => {
  it('are bounded for all clients together and for each address, and one that ends makes room', () => {
    const { sessions } = sessionsWith({ sessions: 3, sessionsPerAddress: 2 });
    const first = begun(sessions, 1, '192.0.2.1');
    begun(sessions, 2, '192.0.2.1');
    expect(sessions.begin(token(3), '192.0.2.1', nothing)).toMatch(/this address has too many sessions/);
    begun(sessions, 4, '192.0.2.2');
    expect(sessions.begin(token(5), '192.0.2.3', nothing)).toMatch(/too many clients/);
    sessions.end(first);
    begun(sessions, 6, '192.0.2.1');
  });

  it('are begun by one address at a bounded rate', async () => {
    const { clock, sessions } = sessionsWith({ beginsPerMinute: 2 });
    sessions.end(begun(sessions, 1, '192.0.2.1'));
    sessions.end(begun(sessions, 2, '192.0.2.1'));
    expect(sessions.begin(token(3), '192.0.2.1', nothing)).toMatch(/begun too many/);
    begun(sessions, 4, '192.0.2.2');
    await clock.advance(60_001);
    begun(sessions, 5, '192.0.2.1');
  });

  it('end by themselves, and are not found afterwards', async () => {
    const { clock, sessions } = sessionsWith({ sessionMs: 1000 });
    let ended = 0;
    sessions.begin(token(1), '192.0.2.1', () => ended++);
    expect(sessions.find(trialId(token(1), 1))?.address).toBe('192.0.2.1');
    await clock.advance(1000);
    expect([ended, sessions.size, sessions.find(trialId(token(1), 1))]).toEqual([1, 0, null]);
    expect(clock.waiting).toBe(0);
  });

  it('know the trials of their own, up to the last number', () => {
    const session = new Session(token(1), '192.0.2.1');
    expect(session.trial(trialId(token(1), 1))).toBe(session.trial(trialId(token(1), 1)));
    for (const id of [trialId(token(2), 1), trialId(token(1), 0), trialId(token(1), MAX_TRIALS + 1), '', 'x'])
      expect(session.trial(id), id).toBeNull();
  });

  it('keep a bounded part of what a stranger sends', () => {
    const record = new Session(token(1), '192.0.2.1').trial(trialId(token(1), 1));
    for (let at = 0; at < 10; at++) record?.keepReceived('x'.repeat(MAX_KEPT / 4));
    expect(record?.received.length).toBe(MAX_KEPT);
  });
});

describe('the flags of the probe', () => {
  it('are ports, lists of ports and ranges', () => {
    expect(portsOf('21,2121', '--ftp')).toEqual([21, 2121]);
    expect(portsOf('off', '--ftp')).toEqual([]);
    expect(rangeOf('40000-41000', '--data-ports')).toEqual({ low: 40_000, high: 41_000 });
  });

  it.each([
    ['a port of zero', () => portsOf('0', '--ftp')],
    ['a port above 65535', () => portsOf('65536', '--ftp')],
    ['a word', () => portsOf('ftp', '--ftp')],
    ['an empty item', () => portsOf('21,', '--ftp')],
    ['a range below 1024', () => rangeOf('80-2000', '--data-ports')],
    ['a range of few ports', () => rangeOf('40000-40010', '--data-ports')],
    ['no range', () => rangeOf('40000', '--data-ports')],
    ['three numbers', () => rangeOf('40000-41000-42000', '--data-ports')],
  ])('refuse %s by name', (_what, read) => expect(read).toThrow(/^--(ftp|data-ports): expected/));
});
