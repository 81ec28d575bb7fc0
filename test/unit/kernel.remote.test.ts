import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeKernel } from '../../src/kernel/fake/fake-kernel.ts';
import type { KernelEvent, Observation, ObserveRequest } from '../../src/kernel/interface.ts';
import { answers } from '../../src/kernel/ping.ts';
import { RemoteKernel } from '../../src/kernel/remote.ts';
import { KernelService } from '../../src/kernel/service.ts';
import type { Result } from '../../src/model/errors.ts';
import { render } from '../../src/plan/render.ts';
import { encodeFrame, FrameDecoder } from '../../src/sockets/frames.ts';
import { ALL_CAPABILITIES, desiredHelper, desiredRouter, parseScope } from '../support/arbitraries.ts';
import { eventually } from '../support/eventually.ts';
import { EXPECTATION } from '../support/expectation.ts';
import { realPorts, testPorts } from '../support/ports.ts';

/** A kernel that answers `observe` only when a test lets it. */
class StuckKernel extends FakeKernel {
  readonly sizes: number[] = [];
  isStuck = false;

  override observe(requests: readonly ObserveRequest[]): Promise<Result<Observation>[]> {
    this.sizes.push(requests.length);
    return this.isStuck ? new Promise(() => undefined) : super.observe(requests);
  }
}

describe('the kernel process, as its clients see it', () => {
  let directory: string;
  let path: string;
  const cleanUp: (() => unknown)[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'pht-remote-'));
    path = join(directory, 'kernel.sock');
  });
  afterEach(async () => {
    for (const work of cleanUp.splice(0)) await work();
    rmSync(directory, { recursive: true });
  });

  async function serve(kernel = new StuckKernel()) {
    const ports = testPorts();
    const service = new KernelService(kernel, ports);
    await service.listen(path);
    cleanUp.push(() => service.close());
    return { kernel, service, ports };
  }

  /**
   * A process that takes connections and does not answer: one that is stopped, or loops.
   * @returns lets it answer so many requests
   */
  async function freeze(): Promise<(requests: number) => void> {
    const sockets: Socket[] = [];
    let allowed = 0;
    const server = createServer((socket) => {
      sockets.push(socket.on('error', () => undefined));
      const decoder = new FrameDecoder();
      socket.on('data', (chunk) => {
        for (const message of decoder.push(chunk))
          if (allowed-- > 0) socket.write(encodeFrame({ id: (message as { id: number }).id, result: null }));
      });
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    cleanUp.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return (requests) => {
      allowed = requests;
    };
  }

  function connect() {
    const ports = testPorts();
    const events: KernelEvent[] = [];
    const remote = new RemoteKernel(path, ports, 1_000);
    remote.onEvent((event) => events.push(event));
    cleanUp.push(() => remote.close());
    /** Lets time pass until something is so: its steps are short, and between them the sockets have their turn. */
    const passing = (what: () => boolean) =>
      eventually(async () => {
        await ports.clock.advance(250);
        return what();
      });
    return { remote, events, passing, clock: ports.clock };
  }

  it('tells each client of expectations in the namespaces that it watches, and of no others', async () => {
    const { kernel } = await serve();
    const [one, two] = [connect(), connect()];
    for (const { passing, events } of [one, two]) await passing(() => events.some(({ event }) => event === 'link'));
    await one.remote.watchExpectations(new Set(['a']));
    await two.remote.watchExpectations(new Set(['a', 'b']));
    expect(kernel.watched).toEqual(new Set(['a', 'b']));
    for (const netns of ['a', 'b', 'c']) kernel.emit({ event: 'expectation', netns, change: 'new', expectation: EXPECTATION });
    const heard = ({ events }: ReturnType<typeof connect>) =>
      events.flatMap((event) => (event.event === 'expectation' ? [event.netns] : []));
    await eventually(() => heard(two).length === 2);
    expect([heard(one), heard(two)]).toEqual([['a'], ['a', 'b']]);
    await two.remote.close();
    await eventually(() => kernel.watched?.has('b') === false);
  });

  it('is there once it has answered', async () => {
    await serve();
    const { remote, events } = connect();
    await eventually(() => remote.isUp);
    expect(events).toEqual([{ event: 'link', up: true }]);
    expect((await remote.capabilities()).kernelRelease).toBe('fake');
  });

  it('is not there while it takes connections and does not answer; its clients learn that once', async () => {
    await freeze();
    const { remote, events, passing } = connect();
    await passing(() => events.length > 0);
    await passing(() => events.length > 0);
    expect([remote.isUp, events]).toEqual([false, [{ event: 'link', up: false, reason: 'has not answered yet' }]]);
    await expect(remote.capabilities()).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('is away when it falls silent, and calls under way fail', async () => {
    const thaw = await freeze();
    const { remote, events, passing } = connect();
    thaw(1);
    await eventually(() => remote.isUp);
    const call = remote.namespaces();
    call.catch(() => undefined);
    await passing(() => events.length > 1);
    expect(events.at(-1)).toEqual({ event: 'link', up: false, reason: 'does not answer' });
    await expect(call).rejects.toMatchObject({ code: 'unreachable', message: 'the kernel process does not answer' });
  });

  it('is away when it ends, and back when another takes its place', async () => {
    const { service } = await serve();
    const { remote, events, passing } = connect();
    await eventually(() => remote.isUp);
    await service.close();
    await eventually(() => !remote.isUp);
    expect(events.at(-1)).toEqual({ event: 'link', up: false, reason: 'went away' });
    await serve();
    await passing(() => remote.isUp);
    expect(events.at(-1)).toEqual({ event: 'link', up: true });
  });

  it('is given up when it answers other calls but not a quick one', async () => {
    const { kernel } = await serve();
    const { remote, events, passing } = connect();
    await eventually(() => remote.isUp);
    kernel.isStuck = true;
    const call = remote.observe([{ netns: 'a', known: null }]);
    call.catch(() => undefined);
    await passing(() => events.some((event) => event.event === 'link' && !event.up));
    expect(events.find((event) => event.event === 'link' && !event.up)).toEqual({
      event: 'link',
      up: false,
      reason: "does not answer 'observe'",
    });
    await expect(call).rejects.toMatchObject({ code: 'timeout' });
    await passing(() => remote.isUp);
  });

  it('tells the other clients of what one of them changes, and not the one itself', async () => {
    const { kernel } = await serve();
    kernel.addNamespace('a');
    const [one, other] = [connect(), connect()];
    await eventually(() => one.remote.isUp && other.remote.isUp);
    await one.remote.apply([
      { netns: 'gone', table: null, replaces: null },
      { netns: 'a', table: null, replaces: null },
    ]);
    await eventually(() => other.events.length > 1);
    expect(other.events.slice(1)).toEqual([{ event: 'touched', netns: 'a', by: 'another client of the kernel process' }]);
    expect(one.events.slice(1)).toEqual([]);
  });

  it('serves a client although others hold every place and say nothing', async () => {
    await serve();
    const idle = Array.from({ length: 40 }, () => createConnection(path).on('error', () => undefined));
    cleanUp.push(() => {
      for (const socket of idle) socket.destroy();
    });
    const { remote } = connect();
    await eventually(() => remote.isUp);
    idle.push(...Array.from({ length: 40 }, () => createConnection(path).on('error', () => undefined)));
    expect((await remote.capabilities()).kernelRelease).toBe('fake');
  });

  it('closes a client whose request is larger than any that is meant, before it is read, and serves the others', async () => {
    await serve();
    const { remote } = connect();
    await eventually(() => remote.isUp);
    const large = createConnection(path);
    const closed = new Promise((done) => large.on('error', done).on('close', done));
    const header = Buffer.alloc(4);
    header.writeUInt32BE(30 * 1024 * 1024);
    large.write(Buffer.concat([header, Buffer.alloc(64 * 1024, '[')]));
    await closed;
    expect((await remote.capabilities()).kernelRelease).toBe('fake');
  });

  it('is sent many large tables in requests that it takes', async () => {
    const { kernel } = await serve();
    const { remote } = connect();
    await eventually(() => remote.isUp);
    const helpers = Array.from({ length: 1_500 }, (_, at) =>
      desiredHelper('ftp', 'tcp', at + 1, { scope: parseScope({ source: '10.0.0.0/8' }) }),
    );
    const { table } = render(desiredRouter(helpers), ALL_CAPABILITIES, new Date(0));
    const names = Array.from({ length: 12 }, (_, at) => `n${at}`);
    for (const netns of names) kernel.addNamespace(netns);
    const results = await remote.apply(names.map((netns) => ({ netns, table, replaces: null })));
    expect(results.map(({ ok }) => ok)).toEqual(names.map(() => true));
  });

  it('knows for how long its oldest quick request waits', async () => {
    const { kernel, service, ports } = await serve();
    const { remote } = connect();
    await eventually(() => remote.isUp);
    expect(service.waitingMs).toBe(0);
    kernel.isStuck = true;
    remote.observe([{ netns: 'a', known: null }]).catch(() => undefined);
    await eventually(() => kernel.sizes.length === 1);
    await ports.clock.advance(700);
    expect(service.waitingMs).toBe(700);
  });

  it('answers others in between the items of a large batch', async () => {
    const { kernel } = await serve();
    kernel.addNamespace('a');
    const { remote } = connect();
    await eventually(() => remote.isUp);
    const results = await remote.observe(Array.from({ length: 40 }, () => ({ netns: 'a', known: null })));
    expect([results.length, results.every(({ ok }) => ok), kernel.sizes]).toEqual([40, true, [16, 16, 8]]);
  });

  describe('a sign of life', () => {
    it('is given by a process that serves', async () => {
      await serve();
      expect(await answers(path, 1_000, realPorts)).toBe(true);
    });

    it('is not given where there is no socket, and by a process that does not answer', async () => {
      expect(await answers(path, 1_000, realPorts)).toBe(false);
      await freeze();
      expect(await answers(path, 20, realPorts)).toBe(false);
    });
  });
});
