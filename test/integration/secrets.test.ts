import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { newTokenText } from '../../src/contract/token.ts';
import { eventually } from '../support/eventually.ts';
import { TestServer } from '../support/test-server.ts';

const compared = vi.hoisted(() => ({ lengths: [] as [number, number][] }));
vi.mock('node:crypto', async (load) => {
  const actual = await load<typeof import('node:crypto')>();
  const timingSafeEqual: typeof actual.timingSafeEqual = (a, b) => {
    compared.lengths.push([a.byteLength, b.byteLength]);
    return actual.timingSafeEqual(a, b);
  };
  return { ...actual, timingSafeEqual };
});

const CLI = resolve(import.meta.dirname, '../../dist/pinhole/cli.js');

describe('secrets', () => {
  it('compares every token’s hash in constant time: known, wrong, unknown and malformed tokens', async () => {
    const server = await new TestServer().start();
    try {
      const real = await server.newToken('member', 'p');
      for (const token of [real, `${real.slice(0, 20)}${'A'.repeat(43)}`, newTokenText(), 'nonsense', '']) {
        compared.lengths.length = 0;
        await server.call('GET', '/v1/routers', undefined, { token, headers: token === '' ? {} : { 'x-auth-token': token } });
        expect([token.slice(0, 8), compared.lengths]).toEqual([token.slice(0, 8), [[32, 32]]]);
      }
    } finally {
      await server.close();
    }
  });

  it('a server logs no token at its most verbose level, wherever a client puts one', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'phs-log-'));
    // A server that root starts gives up root, and another user has to enter the folder.
    chmodSync(directory, 0o755);
    for (const folder of ['server', 'run/server']) mkdirSync(join(directory, folder), { recursive: true });
    const token = newTokenText();
    writeFileSync(join(directory, 'admin-token'), token);
    const config = join(directory, 'pinhole.yaml');
    writeFileSync(config, 'log_level: trace\n');
    const argv = [CLI, 'server', '--config', config, '--data-dir', directory, '--listen', '127.0.0.1:0'];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    let written = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        written += chunk;
      });
    try {
      const endpoint = join(directory, 'run', 'server', 'endpoint');
      await eventually(() => existsSync(endpoint));
      const url = readFileSync(endpoint, 'utf8').trim();
      const ask = (path: string, init: RequestInit = {}) => fetch(`${url}${path}`, init).then((response) => response.text());
      const bearer = { authorization: `Bearer ${token}` };
      await ask('/v1/routers', { headers: bearer });
      await ask('/v1/routers', { headers: { 'x-auth-token': token } });
      await ask(`/v1/routers?find=${token}`, { headers: bearer });
      await ask(`/v2.0/routers/${token}`, { headers: bearer });
      await ask(`/${token}`, { headers: bearer });
      await ask('/v1/routers', { method: 'POST', headers: { ...bearer, 'content-type': 'application/json' }, body: `{"name":${token}` });
      await ask('/v1/routers', { headers: { authorization: `Basic ${token}` } });
      const made = JSON.parse(
        await ask('/v1/tokens', { method: 'POST', headers: { ...bearer, 'content-type': 'application/json' }, body: '{"role":"admin"}' }),
      );
      await ask('/v1/routers', { headers: { 'x-auth-token': made.token } });
      const closed = new Promise((done) => child.once('close', done));
      child.kill('SIGTERM');
      await closed;
      expect(written).toContain('server is ready');
      for (const secret of [token, made.token].map((text: string) => text.slice(20))) expect(written).not.toContain(secret);
    } finally {
      child.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
