import { beforeEach, describe, expect, it } from 'vitest';
import { DesiredState } from '../../src/agent/desired-state.ts';
import { Reporter } from '../../src/agent/reporter.ts';
import type { Source } from '../../src/agent/source.ts';
import { SyncLoop } from '../../src/agent/sync-loop.ts';
import type { DesiredRouter } from '../../src/contract/desired-router.ts';
import { FakeKernel } from '../../src/kernel/fake/fake-kernel.ts';
import { PinholeError } from '../../src/model/errors.ts';
import { desiredHelper, desiredRouter } from '../support/arbitraries.ts';
import { testPorts } from '../support/ports.ts';

/** Takes no reports: they are looked at where they are made. */
const NOWHERE: Source = {
  start: () => undefined,
  pullAll: async () => ({ history: { installation: null, epoch: '', position: null }, pulled: null }),
  pull: async () => ({ epoch: '', position: null, routers: [], refused: [] }),
  onNamespace: () => [],
  reportStatus: async () => undefined,
  reportState: async () => undefined,
  tellExpectation: async () => undefined,
};

/** A kernel whose answers can be held back, and that counts its batches. */
class SlowKernel extends FakeKernel {
  readonly batches: number[] = [];
  gate: Promise<void> = Promise.resolve();
  isAway = false;

  override async observe(...[requests]: Parameters<FakeKernel['observe']>) {
    this.batches.push(requests.length);
    await this.gate;
    if (this.isAway) throw new PinholeError('unreachable', 'the kernel process is not there');
    return super.observe(requests);
  }
}

describe('sync loop', () => {
  let kernel: SlowKernel;
  let ports: ReturnType<typeof testPorts>;
  let desired: DesiredState;
  let reporter: Reporter;
  let loop: SyncLoop;
  beforeEach(() => {
    kernel = new SlowKernel();
    ports = testPorts();
    desired = new DesiredState();
    reporter = new Reporter(NOWHERE, ports, { boundMs: 60_000, hindrance: () => '' });
    loop = new SyncLoop({ ...ports, kernel, desired, reporter, keepLive: false });
  });

  function declare(netns: string): DesiredRouter {
    const router = desiredRouter([desiredHelper('ftp', 'tcp', 21)], { netns, name: netns });
    desired.set(router);
    return router;
  }

  /** The loop as it is once server and kernel process are there. */
  async function serve(...names: string[]): Promise<DesiredRouter[]> {
    const routers = names.map((netns) => {
      kernel.addNamespace(netns);
      return declare(netns);
    });
    desired.origin = { from: 'server' };
    loop.onKernel(await kernel.capabilities());
    await ports.clock.settle();
    return routers;
  }

  const statusOf = ({ id }: DesiredRouter) => {
    const report = reporter.reports().find(({ routerId }) => routerId === id);
    return report && { reason: report.reason, status: report.helpers[0]?.families[0]?.status };
  };

  it('asks and writes nothing before there is a desired state and the kernel process has answered', async () => {
    kernel.addNamespace('a');
    declare('a');
    loop.mark('a');
    await ports.clock.advance(60_000);
    loop.onKernel(await kernel.capabilities());
    await ports.clock.advance(60_000);
    expect([kernel.batches, kernel.counts.applies]).toEqual([[], 0]);
    desired.origin = { from: 'server' };
    loop.mark('a');
    await ports.clock.settle();
    expect(kernel.table('a')?.objects).toHaveLength(1);
  });

  it('syncs marks of one turn in one batch, at most 64, two batches at a time', async () => {
    await serve();
    for (let index = 0; index < 200; index++) kernel.addNamespace(`n${index}`);
    let open = () => {};
    kernel.gate = new Promise((resolve) => {
      open = resolve;
    });
    for (let index = 0; index < 200; index++) {
      declare(`n${index}`);
      loop.mark(`n${index}`);
    }
    await ports.clock.settle();
    expect(kernel.batches).toEqual([64, 64]);
    open();
    await ports.clock.settle();
    expect([kernel.batches, loop.queued]).toEqual([[64, 64, 64, 8], 0]);
  });

  it('does not look at namespaces of others, and does look at one that a router has left', async () => {
    await serve('a');
    kernel.addNamespace('b');
    loop.markServed('b');
    await ports.clock.settle();
    expect(kernel.batches).toEqual([1]);
    desired.delete([...desired.routers()][0]?.id ?? '');
    loop.mark('a');
    await ports.clock.settle();
    expect(kernel.table('a')).toBeNull();
  });

  it('reports what became of a router, and from where its desired state is', async () => {
    const [a] = await serve('a');
    expect(statusOf(a as DesiredRouter)).toEqual({ reason: '', status: 'ACTIVE' });
    desired.origin = { from: 'disk', savedAt: '2025-12-31T00:00:00.000Z' };
    loop.mark('a');
    await ports.clock.settle();
    expect(statusOf(a as DesiredRouter)).toEqual({ reason: '', status: 'STALE' });
    const missing = declare('b');
    loop.mark('b');
    await ports.clock.settle();
    expect(statusOf(missing)).toEqual({ reason: 'network namespace b is not here', status: 'PENDING' });
  });

  it('tries a namespace again that failed, later each time, and the others at once', async () => {
    let failures = 3;
    const refuse = () => {
      if (failures-- > 0) throw new PinholeError('kernel-refused', 'busy', { details: { errno: 16 } });
    };
    kernel.beforeApply = ({ netns }) => netns === 'a' && refuse();
    const [a] = await serve('a', 'b');
    expect([statusOf(a as DesiredRouter)?.status, kernel.table('b')?.objects.length, loop.queued]).toEqual(['ERROR', 1, 1]);
    await ports.clock.until(() => loop.queued === 0);
    expect(ports.clock.monotonic()).toBeGreaterThanOrEqual(25 + 50 + 100);
    expect(ports.clock.monotonic()).toBeLessThanOrEqual(50 + 100 + 200);
    expect([statusOf(a as DesiredRouter)?.status, loop.counts.failures]).toEqual(['ACTIVE', 3]);
  });

  it('keeps a batch that the kernel process did not answer, and syncs it when the process is back', async () => {
    const [a] = await serve('a');
    kernel.meddleUnseen('a', () => null);
    kernel.isAway = true;
    loop.mark('a');
    await ports.clock.advance(10_000);
    expect([statusOf(a as DesiredRouter)?.status, loop.queued]).toEqual(['ACTIVE', 1]);
    kernel.isAway = false;
    loop.onKernel(await kernel.capabilities());
    await ports.clock.settle();
    expect([kernel.table('a')?.objects.length, loop.queued]).toEqual([1, 0]);
  });

  it('leaves a namespace alone for half a minute when the table is changed over and over, and wakes once after', async () => {
    const [a] = await serve('a');
    for (let round = 0; round < 40; round++) {
      kernel.meddle('a', () => null);
      loop.markServed('a');
      await ports.clock.advance(10);
    }
    const { applies } = kernel.counts;
    expect(statusOf(a as DesiredRouter)).toMatchObject({ status: 'PENDING' });
    expect(ports.clock.waiting).toBe(1);
    const before = kernel.batches.length;
    await ports.clock.advance(30_000);
    expect([kernel.counts.applies, kernel.batches.length, kernel.table('a')?.objects.length]).toEqual([applies + 1, before + 1, 1]);
  });

  it('says that it is not well when a batch hangs for a minute, and is well again when it ends', async () => {
    await serve('a');
    let open = () => {};
    kernel.gate = new Promise((resolve) => {
      open = resolve;
    });
    loop.mark('a');
    await ports.clock.advance(59_999);
    expect(loop.isWell).toBe(true);
    await ports.clock.advance(1);
    expect(loop.isWell).toBe(false);
    open();
    await ports.clock.settle();
    expect(loop.isWell).toBe(true);
  });

  it('marks leftovers: tables with our stamp where no router is, once the server has said which routers there are', async () => {
    const [a] = await serve('a', 'b');
    kernel.addNamespace('c');
    kernel.meddle('c', () => ({ comment: 'of others', objects: [], chains: [] }));
    desired.delete(a?.id ?? '');
    desired.origin = { from: 'disk', savedAt: '' };
    await loop.markLeftovers();
    expect(loop.queued).toBe(0);
    desired.origin = { from: 'server' };
    await loop.markLeftovers();
    await ports.clock.settle();
    expect([kernel.table('a'), kernel.table('b')?.objects.length, kernel.table('c')?.comment]).toEqual([null, 1, 'of others']);
  });

  it('begins nothing after it was closed', async () => {
    await serve('a');
    const { length } = kernel.batches;
    loop.close();
    loop.mark('a');
    reporter.close();
    await ports.clock.advance(60_000);
    expect([kernel.batches.length, ports.clock.waiting]).toEqual([length, 0]);
  });
});
