import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalBusClient, LocalBusServer } from '../../src/bus/local.ts';
import { PinholeError } from '../../src/model/errors.ts';
import { silentLogger } from '../../src/model/logger.ts';
import { eventually } from '../support/eventually.ts';

describe('embedded bus', () => {
  let directory: string;
  let path: string;
  let server: LocalBusServer;
  let client: LocalBusClient;
  let isUp: boolean;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'pht-bus-'));
    path = join(directory, 'bus.sock');
    server = new LocalBusServer(silentLogger);
    await server.listen(path);
    client = new LocalBusClient(path, silentLogger);
    isUp = false;
    client.onLink((up) => {
      isUp = up;
    });
    await eventually(() => isUp);
  });
  afterEach(async () => {
    await client.close();
    await server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it('answers calls both ways, and carries errors as they are', async () => {
    server.serve('s', (method, args) => ({ method, args }));
    client.serve('c', () => {
      throw new PinholeError('router-not-found', 'no such router', { details: { field: 'id' } });
    });
    expect(await client.call('s', 'hello', { a: 1 })).toEqual({ method: 'hello', args: { a: 1 } });
    await eventually(async () => (await server.call('c', 'x', {}).catch((error) => error.code)) === 'router-not-found');
    await expect(server.call('c', 'x', {})).rejects.toMatchObject({
      code: 'router-not-found',
      message: 'no such router',
      details: { field: 'id' },
    });
    await expect(client.call('nobody', 'x', {})).rejects.toMatchObject({ code: 'unreachable' });
    await expect(server.call('nobody', 'x', {})).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('casts to those that serve a topic, and to nobody else', async () => {
    const heard: string[] = [];
    client.serve('mine', (method) => void heard.push(method));
    await eventually(() => {
      server.cast('mine', 'first', {});
      return heard.length > 0;
    });
    server.cast('others', 'never', {});
    server.cast('mine', 'last', {});
    await eventually(() => heard.at(-1) === 'last');
    expect(heard).not.toContain('never');
  });

  it('comes back when the server does, with its topics, and fails what was under way', async () => {
    server.serve('s', () => new Promise(() => undefined));
    client.serve('c', () => 'here');
    const lost = client.call('s', 'never', {});
    lost.catch(() => undefined);
    await eventually(async () => (await server.call('c', 'x', {}).catch(() => '')) === 'here');
    await server.close();
    await expect(lost).rejects.toMatchObject({ code: 'unreachable' });
    rmSync(path, { force: true });
    server = new LocalBusServer(silentLogger);
    await server.listen(path);
    await eventually(async () => (await server.call('c', 'x', {}).catch(() => '')) === 'here');
  });

  it('gives up a call that nobody answers in time', async () => {
    server.serve('s', () => new Promise(() => undefined));
    await expect(client.call('s', 'slow', {}, 30)).rejects.toMatchObject({ code: 'timeout' });
  });

  it('closes on garbage, and serves the others on', async () => {
    server.serve('s', () => 'fine');
    for (const bytes of [Buffer.alloc(100, 0xff), Buffer.from([0, 0, 0, 1, 0x7b]), Buffer.from('\0\0\0\x02{}')]) {
      const raw = connect(path);
      raw.on('error', () => undefined);
      const closed = new Promise((resolve) => raw.on('close', resolve));
      raw.write(bytes);
      await closed;
    }
    expect(await client.call('s', 'x', {})).toBe('fine');
  });
});
