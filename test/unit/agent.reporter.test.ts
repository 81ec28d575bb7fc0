import { describe, expect, it } from 'vitest';
import { Reporter } from '../../src/agent/reporter.ts';
import type { Source } from '../../src/agent/source.ts';
import type { SyncReport } from '../../src/agent/verification.ts';
import { momentOf } from '../../src/agent/verification.ts';
import type { RouterReport } from '../../src/contract/status.ts';
import { REPORT_STATUS } from '../../src/wire/messages.ts';
import { testPorts } from '../support/ports.ts';

const NOWHERE: Source = {
  start: () => undefined,
  pullAll: async () => ({ history: { installation: null, epoch: '', position: null }, pulled: null }),
  pull: async () => ({ epoch: '', position: null, routers: [], refused: [] }),
  onNamespace: () => [],
  reportStatus: async () => undefined,
  reportState: async () => undefined,
  tellExpectation: async () => undefined,
};

describe('reporter', () => {
  function open() {
    const ports = testPorts();
    const sent: string[][] = [];
    const state = { failures: 0, hindrance: '' };
    const said: RouterReport[] = [];
    const source = {
      ...NOWHERE,
      reportStatus: async (reports: readonly RouterReport[]) => {
        sent.push(reports.map(({ routerId, revision }) => `${routerId}.${revision}`));
        if (state.failures-- > 0) throw new Error('no');
        said.push(...reports);
      },
    };
    const reporter = new Reporter(source, ports, { boundMs: 60_000, hindrance: () => state.hindrance });
    return { ...ports, sent, said, state, reporter };
  }
  const report = (routerId: string, revision = 1): SyncReport => ({ routerId, revision, reason: '', drifts: 0, helpers: [] });

  it('sends reports of a burst together, and only what changed', async () => {
    const { clock, reporter, sent } = open();
    for (const id of ['a', 'b', 'a']) reporter.report(report(id));
    await clock.advance(5);
    reporter.report(report('a'));
    reporter.report(report('b', 2));
    await clock.advance(5);
    expect(sent).toEqual([['a.1', 'b.1'], ['b.2']]);
  });

  it('sends again what did not arrive, as it is by then, after a wait of at most a second', async () => {
    const { clock, reporter, sent, state } = open();
    state.failures = 6;
    reporter.report(report('a'));
    await clock.advance(5);
    reporter.report(report('a', 2));
    reporter.report(report('b'));
    await clock.advance(6_000);
    expect(sent.length).toBe(7);
    expect([sent[0], sent.at(-1)]).toEqual([['a.1'], ['a.2', 'b.1']]);
    await clock.advance(60_000);
    expect(sent.length).toBe(7);
  });

  it('sends everything again to a server that may know nothing, but nothing of routers that went', async () => {
    const { clock, reporter, sent } = open();
    for (const id of ['a', 'b']) reporter.report(report(id));
    await clock.advance(5);
    reporter.forget('a');
    reporter.resendAll();
    await clock.advance(5);
    expect(sent).toEqual([['a.1', 'b.1'], ['b.1']]);
  });

  it('sends many large reports in messages that a bus takes', async () => {
    const { clock, reporter, sent, said } = open();
    const family = { family: 'ipv4', status: 'ERROR', reason: 'x'.repeat(500) } as const;
    const helpers = Array.from({ length: 100 }, (_, at) => ({
      helperId: `00000000-0000-4000-8000-${String(at).padStart(12, '0')}`,
      families: [family],
    }));
    for (let at = 0; at < 300; at++) reporter.report({ ...report(`r${at}`), helpers });
    await clock.advance(1_000);
    expect(new Set(said.map(({ routerId }) => routerId)).size).toBe(300);
    const sizes = sent.map((ids) => said.filter(({ routerId }) => ids.includes(`${routerId}.1`)));
    for (const reports of sizes) {
      const message = REPORT_STATUS.request.write({ host: 'h', at: null, reports: reports.map((value) => ({ ok: true as const, value })) });
      expect(JSON.stringify(message).length).toBeLessThan(8 * 1024 * 1024);
    }
    expect(sent.length).toBeLessThan(30);
  });

  it('sends nothing after it was closed', async () => {
    const { clock, reporter, sent } = open();
    reporter.report(report('a'));
    reporter.close();
    reporter.report(report('b'));
    await clock.advance(60_000);
    expect([sent, clock.waiting]).toEqual([[], 0]);
  });

  describe('verification', () => {
    const active = (routerId: string, status: 'ACTIVE' | 'ERROR' = 'ACTIVE'): SyncReport => ({
      ...report(routerId),
      helpers: [{ helperId: 'h', families: [{ family: 'ipv4', status, reason: status === 'ERROR' ? 'why' : '' }] }],
    });
    const familyOf = (one: RouterReport | undefined) => one?.helpers[0]?.families[0];

    it('is told with each report, and not told again when it is renewed', async () => {
      const { clock, reporter, said } = open();
      reporter.report(active('a'), momentOf(clock));
      await clock.advance(30_000);
      reporter.verified('a', momentOf(clock));
      await clock.advance(30_000);
      expect(said.map(familyOf)).toEqual([{ family: 'ipv4', status: 'ACTIVE', reason: '', verifiedAt: '2026-01-01T00:00:00.000Z' }]);
      expect(familyOf(reporter.reports()[0])?.verifiedAt).toBe('2026-01-01T00:00:30.000Z');
    });

    it('that is too old makes ACTIVE STALE, with the time and the hindrance, and ACTIVE again when it is renewed', async () => {
      const { clock, reporter, said, state } = open();
      reporter.report(active('a'), momentOf(clock));
      await clock.advance(60_000);
      reporter.age();
      await clock.advance(5);
      expect(said).toHaveLength(1);
      state.hindrance = 'the kernel process went away';
      reporter.age();
      await clock.advance(5);
      const reason = 'not verified since 2026-01-01T00:00:00.000Z: the kernel process went away';
      expect([said.length, said[1]?.reason, familyOf(said[1])]).toEqual([
        2,
        reason,
        { family: 'ipv4', status: 'STALE', reason, verifiedAt: '2026-01-01T00:00:00.000Z' },
      ]);
      reporter.verified('a', momentOf(clock));
      await clock.advance(5);
      expect(familyOf(said[2])?.status).toBe('ACTIVE');
    });

    it('does not depend on the clock on the wall, which may be set', async () => {
      const { clock, reporter } = open();
      reporter.report(active('a'), momentOf(clock));
      clock.setWall('2030-01-01T00:00:00.000Z');
      await clock.advance(1_000);
      expect(familyOf(reporter.reports()[0])).toMatchObject({ status: 'ACTIVE', verifiedAt: '2030-01-01T00:00:00.000Z' });
    });

    it('of all is as old as that of the router which was verified longest ago', async () => {
      const { clock, reporter } = open();
      reporter.report(active('a'), momentOf(clock));
      await clock.advance(1_000);
      reporter.report(active('b'), momentOf(clock));
      await clock.advance(1_000);
      expect(reporter.oldestVerification()?.monotonic).toBe(0);
      reporter.verified('a', momentOf(clock));
      expect(reporter.oldestVerification()?.monotonic).toBe(1_000);
    });

    it('of all says nothing of helpers that are not ACTIVE, and nothing where none is', async () => {
      const { clock, reporter } = open();
      reporter.report(active('a', 'ERROR'));
      await clock.advance(10);
      expect(reporter.oldestVerification()).toBeNull();
      reporter.report(active('b'), momentOf(clock));
      await clock.advance(100_000);
      reporter.age();
      await clock.advance(10);
      expect(reporter.oldestVerification()).toBeNull();
    });

    it('of all does not move on while the server has an older report that says otherwise', async () => {
      const { clock, reporter, state } = open();
      reporter.report(active('a'), momentOf(clock));
      reporter.report(active('b'), momentOf(clock));
      await clock.advance(1_000);
      state.failures = Number.POSITIVE_INFINITY;
      reporter.report(active('a', 'ERROR'));
      await clock.advance(20_000);
      reporter.verified('b', momentOf(clock));
      expect(reporter.oldestVerification()?.monotonic).toBe(0);
      state.failures = 0;
      await clock.advance(1_000);
      expect(reporter.oldestVerification()?.monotonic).toBe(21_000);
    });

    it('of all says nothing of a router after its report was lost on the way back, until it was sent again', async () => {
      const { clock, reporter, state } = open();
      reporter.report(active('a'), momentOf(clock));
      await clock.advance(5);
      await clock.advance(1_000);
      // It arrives, and its answer does not; by then the router is as it was before.
      state.failures = 1;
      reporter.report({ ...active('a'), revision: 2 }, momentOf(clock));
      await clock.advance(5);
      reporter.report(active('a'), momentOf(clock));
      reporter.verified('a', momentOf(clock));
      expect(reporter.oldestVerification()?.monotonic).toBe(0);
      await clock.advance(1_000);
      expect(reporter.oldestVerification()?.monotonic).toBe(1_010);
    });

    it('is said of no router that the server may have forgotten', async () => {
      const { clock, reporter } = open();
      reporter.report(active('a'), momentOf(clock));
      await clock.advance(10);
      expect(reporter.isHeld('a')).toBe(true);
      reporter.resendAll();
      expect([reporter.isHeld('a'), reporter.oldestVerification()]).toEqual([false, null]);
      await clock.advance(10);
      expect(reporter.isHeld('a')).toBe(true);
    });
  });
});
