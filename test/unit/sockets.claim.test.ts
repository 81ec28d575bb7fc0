import { once } from 'node:events';
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimSocket } from '../../src/sockets/claim.ts';

describe('the path of a socket', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pht-claim-'));
    path = join(folder, 'a.sock');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function listening(at: string): Promise<Server> {
    const server = createServer();
    server.listen(at);
    await once(server, 'listening');
    return server;
  }

  it('is free where nothing is, and where a dead process left a socket', async () => {
    await claimSocket(path, 'listen');
    const server = await listening(`${path}.first`);
    renameSync(`${path}.first`, path);
    server.close();
    await once(server, 'close');
    expect(existsSync(path)).toBe(true);
    await claimSocket(path, 'listen');
    expect(existsSync(path)).toBe(false);
  });

  it('is taken while a process listens there, and that process keeps its clients', async () => {
    const server = await listening(path);
    await expect(claimSocket(path, 'listen')).rejects.toMatchObject({
      code: 'invalid-input',
      message: expect.stringContaining(`Another process listens on ${path}`),
    });
    const client = connect(path);
    await once(client, 'connect');
    client.destroy();
    server.close();
  });

  it('is taken by a file that is no socket', async () => {
    writeFileSync(path, 'precious');
    await expect(claimSocket(path, 'listen')).rejects.toThrow('is no socket');
    expect(existsSync(path)).toBe(true);
  });
});
