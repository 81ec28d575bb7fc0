import { afterEach, describe, expect, it } from 'vitest';
import { readAnswer } from '../../src/client/answer.ts';
import { STATUS_VIEW } from '../../src/client/resources.ts';
import type { DesiredRouter } from '../../src/contract/desired-router.ts';
import type { DesiredHelper } from '../../src/contract/helper.ts';
import { FakeKernel } from '../../src/kernel/fake/fake-kernel.ts';
import { PinholeError } from '../../src/model/errors.ts';
import { AgentHarness } from '../support/agent-harness.ts';
import { desiredHelper, desiredRouter } from '../support/arbitraries.ts';

/** A kernel process that may be stopped: calls then hang until the connection is given up. */
class StoppableKernel extends FakeKernel {
  #waiting: ((error: Error) => void)[] = [];
  isStopped = false;

  override async observe(...given: Parameters<FakeKernel['observe']>) {
    if (this.isStopped) await new Promise<void>((_resolve, reject) => this.#waiting.push(reject));
    return super.observe(...given);
  }

  override async capabilities() {
    if (this.isStopped) throw new PinholeError('unreachable', 'the kernel process is not there');
    return super.capabilities();
  }

  /** Its clients notice that it does not answer. */
  giveUp(reason = 'does not answer'): void {
    this.isStopped = true;
    for (const reject of this.#waiting.splice(0)) reject(new PinholeError('unreachable', `the kernel process ${reason}`));
    this.emit({ event: 'link', up: false, reason });
  }

  goOn(): void {
    this.isStopped = false;
    this.emit({ event: 'link', up: true });
  }
}

const CHECK_SECONDS = 30;

describe('verification by an agent', () => {
  const harnesses: AgentHarness[] = [];
  afterEach(async () => {
    for (const one of harnesses.splice(0)) await one.close();
  });

  async function serve(helpers = [desiredHelper('ftp', 'tcp', 21)]) {
    const kernel = new StoppableKernel();
    kernel.addNamespace('a');
    const at = new AgentHarness({ kernel, checkSeconds: CHECK_SECONDS, reportSeconds: 10 });
    harnesses.push(at);
    const router = desiredRouter(helpers, { netns: 'a', name: 'a' });
    at.server.set(router);
    await at.start();
    await at.clock.advance(100);
    return { at, kernel, router };
  }

  const statuses = (at: AgentHarness, { id }: DesiredRouter) =>
    at.server.reports.get(id)?.helpers.map(({ families }) => families.map(({ status }) => status).join());
  const change = (at: AgentHarness, router: DesiredRouter, helpers: DesiredHelper[]) => {
    const next = { ...router, helpers, revision: router.revision + 1 };
    at.server.set(next);
    at.server.hint(router.id);
    return next;
  };
  const age = (at: AgentHarness) => {
    const verified = at.server.heartbeat?.verification?.verifiedAt ?? null;
    return verified === null ? null : (at.clock.now().getTime() - Date.parse(verified)) / 1_000;
  };

  it('is renewed for as long as the kernel answers: in heartbeats, without a report, a read or a write', async () => {
    const { at, kernel, router } = await serve();
    const { reads, applies } = kernel.counts;
    const messages = at.server.reportMessages;
    for (let minute = 0; minute < 30; minute++) {
      await at.clock.advance(60_000);
      expect(age(at)).toBeLessThan(2 * CHECK_SECONDS);
    }
    expect([at.server.reportMessages, kernel.counts.reads, kernel.counts.applies]).toEqual([messages, reads, applies]);
    expect(statuses(at, router)).toEqual(['ACTIVE,ACTIVE']);
  });

  it('is what the agent itself says of each helper, in the words of the API', async () => {
    const { at } = await serve();
    await at.clock.advance(60_000);
    const [router] = JSON.parse(JSON.stringify(at.agent.status().routers));
    const { helpers } = readAnswer(STATUS_VIEW, router);
    const verifiedAt = helpers[0]?.families[0]?.verifiedAt ?? '';
    expect(at.clock.now().getTime() - Date.parse(verifiedAt)).toBeLessThan(CHECK_SECONDS * 1_000 + 1_000);
  });

  it('finds a change whose event was lost at the next check, and repairs it', async () => {
    const { at, kernel } = await serve();
    kernel.meddleUnseen('a', () => null);
    await at.clock.advance(CHECK_SECONDS * 1_000);
    expect(at.types('a')).toEqual(['ftp']);
  });

  it('ends with a kernel process that is stopped: nothing is ACTIVE longer than the bound, and the reason says why', async () => {
    const { at, kernel, router } = await serve();
    await at.clock.advance(5 * 60_000);
    kernel.isStopped = true;
    await at.clock.advance(10_000);
    kernel.giveUp();
    await at.clock.advance(2 * CHECK_SECONDS * 1_000 + 10_000);
    expect(statuses(at, router)).toEqual(['STALE,STALE']);
    const family = at.server.reports.get(router.id)?.helpers[0]?.families[0];
    expect(family?.reason).toMatch(/^not verified since 20\S+Z: the kernel process of this host does not answer$/);
    expect(family?.verifiedAt).toMatch(/Z$/);
    kernel.goOn();
    await at.clock.advance(1_000);
    expect(statuses(at, router)).toEqual(['ACTIVE,ACTIVE']);
  });

  it('says of a kernel process that is away, and of one that is back: readiness, heartbeat, counts, status', async () => {
    const { at, kernel } = await serve();
    expect([at.agent.unreadiness, at.server.heartbeat?.verification?.kernel.up]).toEqual([null, true]);
    kernel.giveUp('went away');
    await at.clock.advance(10);
    const { kernel: told } = at.server.heartbeat?.verification ?? {};
    expect(told).toMatchObject({ up: false, reason: 'went away' });
    expect(at.agent.unreadiness).toBe(`the kernel process went away (since ${told?.since})`);
    expect(at.agent.counts).toMatchObject({ kernelProcessUp: 0, kernelProcessLosses: 1 });
    expect(at.agent.status().kernel).toEqual(told);
    kernel.goOn();
    await at.clock.advance(10);
    expect([at.agent.unreadiness, at.server.heartbeat?.verification?.kernel.up]).toEqual([null, true]);
    expect(at.agent.counts).toMatchObject({ kernelProcessUp: 1, kernelProcessLosses: 1 });
  });

  it('new helpers wait for a kernel process that is away, and say so; the others stay as they were', async () => {
    const [ftp, tftp] = [desiredHelper('ftp', 'tcp', 21), desiredHelper('tftp', 'udp', 69)];
    const { at, kernel, router } = await serve([ftp]);
    kernel.giveUp('went away');
    const next = change(at, router, [ftp, tftp]);
    await at.clock.advance(1_000);
    expect(statuses(at, router)).toEqual(['ACTIVE,ACTIVE', 'PENDING,PENDING']);
    expect(at.server.reports.get(router.id)).toMatchObject({
      revision: next.revision,
      reason: 'the kernel process of this host went away',
    });
    expect(at.server.reports.get(router.id)?.helpers[1]?.families[0]?.reason).toBe('the kernel process of this host went away');
    kernel.goOn();
    await at.clock.advance(1_000);
    expect(statuses(at, router)).toEqual(['ACTIVE,ACTIVE', 'ACTIVE,ACTIVE']);
  });

  it('is no news for a router where nothing waits, if the kernel process is back in time', async () => {
    const { at, kernel } = await serve();
    const messages = at.server.reportMessages;
    kernel.giveUp('went away');
    await at.clock.advance(20_000);
    kernel.goOn();
    await at.clock.advance(20_000);
    expect(at.server.reportMessages).toBe(messages);
  });

  it('a helper that was changed while the kernel process is away is PENDING, and not what it was', async () => {
    const ftp = desiredHelper('ftp', 'tcp', 21);
    const { at, kernel, router } = await serve([ftp]);
    kernel.giveUp();
    change(at, router, [{ ...ftp, port: 2121 }]);
    await at.clock.advance(1_000);
    expect(statuses(at, router)).toEqual(['PENDING,PENDING']);
  });

  it('routers of an agent whose kernel process never answered are PENDING with the reason', async () => {
    const kernel = new StoppableKernel();
    kernel.isStopped = true;
    const at = new AgentHarness({ kernel, checkSeconds: CHECK_SECONDS, reportSeconds: 10 });
    harnesses.push(at);
    const router = desiredRouter([desiredHelper('ftp', 'tcp', 21)], { netns: 'a', name: 'a' });
    at.server.set(router);
    at.agent.start();
    at.server.connect();
    await at.clock.advance(1_000);
    kernel.giveUp('has not answered yet');
    await at.clock.advance(1_000);
    expect(statuses(at, router)).toEqual(['PENDING,PENDING']);
    expect(at.server.reports.get(router.id)?.reason).toBe('the kernel process of this host has not answered yet');
  });

  it('says nothing of all routers at once before each was reported by this agent', async () => {
    const kernel = new StoppableKernel();
    for (const netns of ['a', 'b']) kernel.addNamespace(netns);
    const at = new AgentHarness({ kernel, checkSeconds: CHECK_SECONDS, reportSeconds: 10 });
    harnesses.push(at);
    for (const netns of ['a', 'b']) at.server.set(desiredRouter([desiredHelper('ftp', 'tcp', 21)], { netns, name: netns }));
    at.server.beforeAnswer = (method) => {
      if (method === 'report_status') throw new PinholeError('timeout', 'not now');
    };
    await at.start();
    await at.clock.advance(120_000);
    expect(at.server.heartbeat?.verification).toMatchObject({ verifiedAt: null, boundSeconds: 60 });
    at.server.beforeAnswer = () => undefined;
    await at.clock.advance(30_000);
    expect(age(at)).toBeLessThan(2 * CHECK_SECONDS);
  });
});
