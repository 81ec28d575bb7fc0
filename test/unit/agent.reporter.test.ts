import { describe, expect, it } from 'vitest';
import { Reporter } from '../../src/agent/reporter.ts';
import type { Source } from '../../src/agent/source.ts';
import type { RouterReport } from '../../src/contract/status.ts';
import { testPorts } from '../support/ports.ts';

describe('reporter', () => {
  function open() {
    const ports = testPorts();
    const sent: string[][] = [];
    const state = { failures: 0 };
    const source = {
      reportStatus: async (reports: readonly RouterReport[]) => {
        sent.push(reports.map(({ routerId, revision }) => `${routerId}.${revision}`));
        if (state.failures-- > 0) throw new Error('no');
      },
    } as Source;
    return { ...ports, sent, state, reporter: new Reporter(source, ports) };
  }
  const report = (routerId: string, revision = 1): RouterReport => ({ routerId, revision, reason: '', drifts: 0, helpers: [] });

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

  it('sends nothing after it was closed', async () => {
    const { clock, reporter, sent } = open();
    reporter.report(report('a'));
    reporter.close();
    reporter.report(report('b'));
    await clock.advance(60_000);
    expect([sent, clock.waiting]).toEqual([[], 0]);
  });
});
