import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Connector } from '../../src/sockets/connector.ts';
import { eventually } from '../support/eventually.ts';
import { testPorts } from '../support/ports.ts';

describe('a connector', () => {
  let directory: string;
  let path: string;
  const ports = testPorts();
  const cleanUp: (() => void)[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'pht-connector-'));
    path = join(directory, 'socket');
  });
  afterEach(() => {
    vi.restoreAllMocks();
    for (const work of cleanUp.splice(0)) work();
    rmSync(directory, { recursive: true });
  });

  /** A server, and how to take it away with its connections. */
  async function listen(): Promise<() => void> {
    const sockets: Socket[] = [];
    const server: Server = createServer((socket) => sockets.push(socket.resume()));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const end = () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    };
    cleanUp.push(end);
    return end;
  }

  function connector() {
    const told: string[] = [];
    const made = new Connector(
      { path, backoff: { firstMs: 100, maxMs: 1_000 }, onUp: () => told.push('up'), onDown: () => told.push('down') },
      ports,
    );
    cleanUp.push(() => made.close());
    return { made, told };
  }

  const aRetryIsSet = () => eventually(() => ports.clock.waiting === 1, { what: 'the next attempt has its time' });

  it('connects once the server is there, however late, and waits longer between attempts', async () => {
    const { made, told } = connector();
    made.start();
    const waits: number[] = [];
    const after = ports.clock.after.bind(ports.clock);
    vi.spyOn(ports.clock, 'after').mockImplementation((ms, work) => {
      waits.push(ms);
      return after(ms, work);
    });
    await eventually(async () => {
      await ports.clock.advance(1_000);
      return waits.length > 5;
    });
    const full = [100, 200, 400, 800, 1_000, 1_000];
    for (const [index, wait] of waits.slice(0, 6).entries()) {
      expect(wait).toBeGreaterThanOrEqual((full[index] ?? 0) / 2);
      expect(wait).toBeLessThanOrEqual(full[index] ?? 0);
    }
    await aRetryIsSet();
    await listen();
    await ports.clock.advance(1_000);
    await eventually(() => told.join() === 'up');
  });

  it('tells of a lost connection, and comes back', async () => {
    const end = await listen();
    const { made, told } = connector();
    made.start();
    await eventually(() => told.join() === 'up');
    end();
    await eventually(() => told.join() === 'up,down');
    await listen();
    await aRetryIsSet();
    await ports.clock.advance(100);
    await eventually(() => told.join() === 'up,down,up');
  });

  it('gives up for good when it is closed', async () => {
    const { made, told } = connector();
    made.start();
    await aRetryIsSet();
    made.close();
    await listen();
    await ports.clock.advance(10_000);
    made.start();
    await ports.clock.settle();
    expect([told, ports.clock.waiting]).toEqual([[], 0]);
  });
});
