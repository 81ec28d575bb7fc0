import { describe, expect, it } from 'vitest';
import type { Verification } from '../../src/contract/agent.ts';
import type { Router } from '../../src/contract/router.ts';
import type { FamilyStatus } from '../../src/contract/status.ts';
import { asOfNow, byOwnClock, type Known, verificationOf, whyKernelAway } from '../../src/control/verified.ts';
import type { Agent, StoredReport } from '../../src/store/interface.ts';

const NOW = new Date('2026-01-01T12:00:00.000Z');
const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1_000).toISOString();

const AGENT: Agent = {
  host: 'h',
  startedAt: ago(3_600),
  seenAt: ago(1),
  silentSince: null,
  interval: 10,
  state: {},
  verifiedAt: null,
  boundSeconds: 60,
  kernel: { up: true, since: ago(3_600), reason: '' },
};
const family = (verifiedAt: string | null, status: FamilyStatus['status'] = 'ACTIVE'): FamilyStatus => ({
  family: 'ipv4',
  status,
  reason: '',
  verifiedAt,
});

describe('a reported status, as of now', () => {
  function now(reported: FamilyStatus, agent: Partial<Agent> = {}, router: { revision?: number; updatedAt?: string } = {}): FamilyStatus {
    const known = {
      router: { revision: 3, updatedAt: ago(1_000), ...router } as Router,
      report: { host: 'h', revision: 3 } as StoredReport,
      agent: { ...AGENT, ...agent },
      now: NOW,
    } satisfies Known;
    return asOfNow(reported, known);
  }

  it('is ACTIVE up to the bound after its verification, and STALE from then on', () => {
    expect(now(family(ago(60)))).toEqual(family(ago(60)));
    expect(now(family(ago(61)))).toEqual({ ...family(ago(61), 'STALE'), reason: `not verified since ${ago(61)}` });
  });

  it('is as new as what the agent says of all its helpers at once', () => {
    expect(now(family(ago(500)), { verifiedAt: ago(10) })).toEqual(family(ago(10)));
    expect(now(family(ago(5)), { verifiedAt: ago(10) })).toEqual(family(ago(5)));
  });

  it('does not gain from what the agent says of all after a change of the router that it has not reported on', () => {
    const moved = { revision: 4, updatedAt: ago(300) };
    expect(now(family(ago(500)), { verifiedAt: ago(10) }, moved)).toMatchObject({ status: 'STALE', verifiedAt: ago(300) });
    expect(now(family(ago(500)), { verifiedAt: ago(10) }, { revision: 4, updatedAt: ago(2) })).toEqual(family(ago(10)));
  });

  it('says that the kernel process is away, where that is why', () => {
    const kernel = { up: false, since: ago(90), reason: 'does not answer' };
    expect(now(family(ago(100)), { kernel }).reason).toBe(
      `not verified since ${ago(100)}: the kernel process on h does not answer (since ${ago(90)})`,
    );
  });

  it('is STALE where an agent of an older version does not say when it verified', () => {
    const { verifiedAt: _, ...old } = family(null);
    expect(now(old as FamilyStatus, { boundSeconds: null })).toMatchObject({
      status: 'STALE',
      reason: 'the agent on h does not say when it verified this',
      verifiedAt: null,
    });
  });

  it('stays what it is where it is not ACTIVE, without a time where the kernel does not have the helper', () => {
    for (const status of ['ERROR', 'PENDING'] as const)
      expect(now(family(ago(10), status), { verifiedAt: ago(1) })).toEqual(family(null, status));
    expect(now(family(ago(100), 'STALE'), { verifiedAt: ago(1) })).toEqual(family(ago(100), 'STALE'));
  });
});

describe('what an agent says of its verification', () => {
  const said = (rest: Partial<Verification> = {}): Verification => ({
    at: ago(7_200),
    verifiedAt: ago(7_210),
    boundSeconds: 60,
    kernel: { up: true, since: ago(9_000), reason: '' },
    ...rest,
  });

  it('is moved to the clock of this server, whatever the clock of its host says, and never into the future', () => {
    expect(verificationOf(said(), null, NOW).verifiedAt).toBe(ago(10));
    expect(byOwnClock(ago(-600), ago(0), NOW)).toBe(NOW.toISOString());
    expect(byOwnClock(ago(5), null, NOW)).toBe(ago(5));
  });

  it('is not made younger by a message that was under way for a few seconds', () => {
    expect(byOwnClock(ago(14), ago(4), NOW)).toBe(ago(14));
    expect(byOwnClock(ago(16), ago(6), NOW)).toBe(ago(10));
    expect(byOwnClock(ago(-6), ago(-10), NOW)).toBe(ago(4));
  });

  it('does not take back what was said before where it says nothing', () => {
    const stored = { ...AGENT, verifiedAt: ago(40) };
    expect(verificationOf(said({ verifiedAt: null }), stored, NOW).verifiedAt).toBe(ago(40));
    expect(verificationOf(null, stored, NOW)).toEqual({ verifiedAt: null, boundSeconds: null, kernel: null });
  });

  it('tells the same time of the same loss in the same words', () => {
    const kernel = { up: false, since: ago(7_300), reason: 'went away' };
    const first = verificationOf(said({ kernel }), null, NOW);
    expect(first.kernel).toEqual({ ...kernel, since: ago(100) });
    const later = new Date(NOW.getTime() + 10_300);
    const again = said({ at: new Date(Date.parse(ago(7_200)) + 10_000).toISOString(), kernel });
    expect(verificationOf(again, { ...AGENT, ...first }, later).kernel).toEqual(first.kernel);
  });

  it('names the kernel process that is away, and none that answers or is not known', () => {
    expect(whyKernelAway('h', { up: false, since: ago(1), reason: 'went away' })).toBe(
      `the kernel process on h went away (since ${ago(1)})`,
    );
    expect([whyKernelAway('h', AGENT.kernel), whyKernelAway('h', null)]).toEqual([null, null]);
  });
});
