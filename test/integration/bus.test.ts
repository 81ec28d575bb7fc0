import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Bus } from '../../src/bus/interface.ts';
import { LocalBusClient, LocalBusServer } from '../../src/bus/local.ts';
import { RabbitBus } from '../../src/bus/rabbitmq.ts';
import { PinholeError } from '../../src/model/errors.ts';
import { MAX_FRAME } from '../../src/sockets/frames.ts';
import { eventually } from '../support/eventually.ts';
import { realPorts } from '../support/ports.ts';
import { RabbitNode } from '../support/rabbitmq.ts';

/** Two ends of a bus, and how to take away what is between them. */
interface Ends {
  readonly server: Bus;
  readonly client: Bus;
  /** Ends what carries the bus, and brings it back: afterwards `server` may be another. */
  interrupt(): Promise<void>;
  close(): Promise<void>;
}

const node = new RabbitNode();
beforeAll(() => node.start());
afterAll(() => node.stop());

const BUSES: Readonly<Record<string, () => Promise<Ends>>> = { 'the socket': socketEnds, RabbitMQ: rabbitEnds };

async function socketEnds(): Promise<Ends> {
  const directory = mkdtempSync(join(tmpdir(), 'pht-bus-'));
  const path = join(directory, 'bus.sock');
  const listening = async () => {
    const server = new LocalBusServer(realPorts);
    await server.listen(path);
    return server;
  };
  const client = new LocalBusClient(path, realPorts);
  const ends = {
    server: await listening(),
    client,
    interrupt: async () => {
      await ends.server.close();
      ends.server = await listening();
    },
    close: async () => {
      await client.close();
      await ends.server.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return ends;
}

async function rabbitEnds(): Promise<Ends> {
  const exchange = `test-${randomUUID()}`;
  const open = () =>
    new RabbitBus({ broker: node.broker(), exchange, declares: true, name: 'test', signs: false, trusted: null, ...realPorts });
  const [server, client] = [open(), open()];
  return {
    server,
    client,
    interrupt: () => node.restart(),
    close: async () => {
      await Promise.all([server.close(), client.close()]);
    },
  };
}

describe.each(Object.keys(BUSES))('what every bus does: %s', (name) => {
  let ends: Ends;
  let isUp: boolean;
  /** Topics of this test's own: queues outlive tests. */
  let topic: (name: string) => string;

  beforeEach(async () => {
    const own = randomUUID();
    topic = (one) => `${one}.${own}`;
    ends = await (BUSES[name] as () => Promise<Ends>)();
    isUp = false;
    ends.client.onLink((up) => {
      isUp = up;
    });
    await eventually(() => isUp);
  });
  afterEach(() => ends.close());

  it('answers calls both ways, and carries errors as they are', async () => {
    ends.server.serve(topic('s'), (method, args) => ({ method, args }));
    ends.client.serve(topic('c'), () => {
      throw new PinholeError('router-not-found', 'no such router', { details: { field: 'id' } });
    });
    const reached = async (from: Bus, to: string, wanted: string) =>
      eventually(
        async () =>
          (await from.call(to, 'x', {}).then(
            () => 'answered',
            (error) => error.code,
          )) === wanted,
      );
    await reached(ends.client, topic('s'), 'answered');
    expect(await ends.client.call(topic('s'), 'hello', { a: 1 })).toEqual({ method: 'hello', args: { a: 1 } });
    await reached(ends.server, topic('c'), 'router-not-found');
    await expect(ends.server.call(topic('c'), 'x', {})).rejects.toMatchObject({
      code: 'router-not-found',
      message: 'no such router',
      details: { field: 'id' },
    });
    await expect(ends.client.call(topic('unserved'), 'x', {})).rejects.toMatchObject({ code: 'unreachable' });
    await expect(ends.server.call(topic('unserved'), 'x', {})).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('casts to the servers of a topic, and to no other', async () => {
    const heard: string[] = [];
    ends.client.serve(topic('mine'), (method) => void heard.push(method));
    await eventually(async () => {
      await ends.server.cast(topic('mine'), 'first', {});
      return heard.length > 0;
    });
    await ends.server.cast(topic('others'), 'never', {});
    await ends.server.cast(topic('mine'), 'last', {});
    await eventually(() => heard.at(-1) === 'last');
    expect(heard).not.toContain('never');
  });

  it('comes back after it was gone, with its topics, says so, and fails what was under way', { timeout: 120_000 }, async () => {
    const links: boolean[] = [];
    ends.server.serve(topic('s'), () => new Promise(() => undefined));
    ends.client.serve(topic('c'), () => 'here');
    const answers = async () => (await ends.server.call(topic('c'), 'x', {}, 1_000).catch(() => '')) === 'here';
    await eventually(answers);
    ends.client.onLink((up) => links.push(up));
    const lost = ends.client.call(topic('s'), 'never', {});
    lost.catch(() => undefined);
    await ends.interrupt();
    await expect(lost).rejects.toMatchObject({ code: 'unreachable' });
    await eventually(answers, { timeoutMs: 100_000 });
    await eventually(() => links.includes(false) && links.at(-1) === true);
  });

  it('says that it cannot send while it is away', async () => {
    await ends.client.close();
    await expect(ends.client.cast(topic('s'), 'x', {})).rejects.toMatchObject({ code: 'unreachable' });
    await expect(ends.client.call(topic('s'), 'x', {})).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('gives up a call that is not answered in time', async () => {
    ends.server.serve(topic('s'), () => new Promise(() => undefined));
    await eventually(async () => (await ends.client.call(topic('s'), 'slow', {}, 30).catch((error) => error.code)) === 'timeout');
  });
});

describe('the socket', () => {
  it.each(['server', 'client'] as const)(
    'an answer over the frame limit, made by the %s, is an error of its caller and ends nothing',
    async (who) => {
      const ends = await socketEnds();
      const [from, to] = who === 'server' ? [ends.client, ends.server] : [ends.server, ends.client];
      to.serve('t', (method) => (method === 'large' ? 'x'.repeat(MAX_FRAME) : 'fine'));
      await eventually(async () => (await from.call('t', 'small', {}).catch(() => '')) === 'fine');
      await expect(from.call('t', 'large', {})).rejects.toMatchObject({ code: 'too-large' });
      await expect(from.call('t', 'x', { large: 'x'.repeat(MAX_FRAME) })).rejects.toMatchObject({ code: 'too-large' });
      expect(await from.call('t', 'small', {})).toBe('fine');
      await ends.close();
    },
  );

  it('closes on garbage, and serves the others on', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'pht-bus-'));
    const path = join(directory, 'bus.sock');
    const server = new LocalBusServer(realPorts);
    await server.listen(path);
    const client = new LocalBusClient(path, realPorts);
    server.serve('s', () => 'fine');
    await eventually(async () => (await client.call('s', 'x', {}).catch(() => '')) === 'fine');
    for (const bytes of [Buffer.alloc(100, 0xff), Buffer.from([0, 0, 0, 1, 0x7b]), Buffer.from('\0\0\0\x02{}')]) {
      const raw = connect(path);
      raw.on('error', () => undefined);
      const closed = new Promise((resolve) => raw.on('close', resolve));
      raw.write(bytes);
      await closed;
    }
    expect(await client.call('s', 'x', {})).toBe('fine');
    await client.close();
    await server.close();
    rmSync(directory, { recursive: true });
  });
});
