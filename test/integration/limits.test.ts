import { copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { RateLimits } from '../../src/api/rate-limits.ts';
import { loadConfig } from '../../src/config/config.ts';
import { Authority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { TestClock } from '../support/test-clock.ts';
import { TestServer, type TestServerOptions } from '../support/test-server.ts';

let server: TestServer;
const start = async (yaml: string, options: TestServerOptions = {}) => {
  server = await new TestServer(yaml, options).start();
};
afterEach(() => server?.close());

/** Sends bytes as they are. @returns what came back until the server closed */
function raw(text: string, then: (socket: Socket) => void = () => undefined): Promise<string> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(text);
      then(socket);
    });
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
  });
}

describe('rates', () => {
  it('one token that exceeds its rate gets 429 with the seconds to wait; other tokens are not affected', async () => {
    await start('limits: { requests_per_second: 5 }\n');
    const other = await server.newToken('admin');
    const ask = (token: string) => server.call('GET', '/v1/routers', undefined, { token });
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask(server.token)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThanOrEqual(15);
    expect(refused[0]).toMatchObject({ body: { error: { code: 'too-many-requests' } } });
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect((await ask(other)).status).toBe(200);
    expect((await server.call('GET', '/v2.0/routers')).body.NeutronError?.type).toBe('HTTPTooManyRequests');
  });

  it('an address with too many refused authentications gets 429', async () => {
    await start('limits: { failures_per_second: 1 }\n');
    const fresh = await server.newToken('admin');
    const statuses: number[] = [];
    for (let index = 0; index < 14; index++) statuses.push((await server.call('GET', '/v1/routers', undefined, { token: 'wrong' })).status);
    expect(statuses.slice(0, 10)).toEqual(Array(10).fill(401));
    expect(statuses.at(-1)).toBe(429);
    // From the same address, as behind a proxy: one that was let in before, and one that is new.
    expect((await server.call('GET', '/v1/routers')).status).toBe(200);
    expect((await server.call('GET', '/v1/routers', undefined, { token: fresh })).status).toBe(200);
    expect((await server.call('GET', '/livez')).status).toBe(200);
  });

  it('unused rate accumulates up to a burst, and old buckets are dropped', async () => {
    const clock = new TestClock();
    const rates = new RateLimits({ requestsPerSecond: 10, failuresPerSecond: 0 }, clock);
    const allowed = () => {
      let count = 0;
      try {
        for (; ; count++) rates.countRequest('x');
      } catch {
        return count;
      }
    };
    expect(allowed()).toBe(20);
    await clock.advance(500);
    expect(allowed()).toBe(5);
    await clock.advance(59_500);
    expect(allowed()).toBe(20);
    for (let index = 0; index < 30_000; index++) rates.countRequest(`name ${index}`);
    expect(allowed()).toBe(20);
  });
});

describe('slow, large and many', () => {
  it('a client that sends its request too slowly is disconnected; others are served meanwhile', async () => {
    await start('limits: { request_seconds: 1 }\n');
    const startedAt = Date.now();
    const slowHeaders = raw('GET /v1/routers HTTP/1.1\r\nhost: x\r\n', (socket) => {
      const timer = setInterval(() => socket.write('x-a: b\r\n'), 200);
      socket.on('close', () => clearInterval(timer));
    });
    const slowBody = raw(
      `POST /v1/routers HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${server.token}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{`,
    );
    expect((await server.call('GET', '/v1/routers')).status).toBe(200);
    expect(await slowHeaders).toMatch(/^HTTP\/1.1 408 /);
    expect(await slowBody).toMatch(/^HTTP\/1.1 4\d\d /);
    expect(Date.now() - startedAt).toBeLessThan(15_000);
  });

  it('requests beyond the limit of concurrency get 503 and a time to wait', async () => {
    await start('limits: { concurrency: 2 }\n');
    const head = (token: string) =>
      `POST /v1/routers HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n`;
    const tokens = await Promise.all(['a', 'b'].map((project) => server.newToken('member', project)));
    const waiting: Socket[] = [];
    const finished = tokens.map((token) => raw(head(token), (socket) => waiting.push(socket)));
    await eventually(async () => (await server.call('GET', '/v1/routers')).status === 503);
    expect((await server.call('GET', '/livez')).status).toBe(200);
    const refused = await server.call('GET', '/v1/routers');
    expect(refused).toMatchObject({ status: 503, body: { error: { code: 'overloaded' } } });
    expect(refused.headers.get('retry-after')).toBe('1');
    for (const socket of waiting) socket.end('{}');
    await Promise.all(finished);
    await eventually(async () => (await server.call('GET', '/v1/routers')).status === 200);
  });

  it('streams do not count against the limit of concurrency', async () => {
    await start('limits: { concurrency: 2 }\n');
    const streams = await Promise.all(
      [1, 2, 3].map(() => fetch(`${server.url}/v1/events`, { headers: { authorization: `Bearer ${server.token}` } })),
    );
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await server.call('GET', '/v1/routers')).status).toBe(200);
    for (const { body } of streams) await body?.cancel();
  });

  it('connections beyond the limit are closed', async () => {
    await start('limits: { connections: 3 }\n');
    const { hostname, port } = new URL(server.url);
    const sockets = Array.from({ length: 8 }, () => connect(Number(port), hostname));
    let closed = 0;
    for (const socket of sockets) socket.on('close', () => closed++).on('error', () => undefined);
    await eventually(() => closed >= 5);
    for (const socket of sockets) socket.destroy();
    await eventually(async () =>
      server.call('GET', '/livez').then(
        ({ status }) => status === 200,
        () => false,
      ),
    );
  });
});

describe('listeners', () => {
  const ask = (options: RequestOptions): Promise<{ status: number; certificate: string }> =>
    new Promise((resolve, reject) => {
      const { port } = new URL(server.url);
      const headers = { authorization: `Bearer ${server.token}` };
      const request = httpsRequest({ host: '127.0.0.1', port, path: '/v1/routers', headers, agent: false, ...options }, (response) => {
        const certificate = (response.socket as TLSSocket).getPeerCertificate().subject.CN as string;
        response.resume();
        response.on('end', () => resolve({ status: response.statusCode ?? 0, certificate }));
      });
      request.on('error', reject);
      request.end();
    });

  it('TLS: a reload reads the certificate again, and keeps the old one if the new one is bad', async () => {
    server = new TestServer();
    const authority = new Authority(server.directory);
    const [one, two] = [authority.issue('one'), authority.issue('two')];
    const files = { certificate: join(server.directory, 'cert.pem'), key: join(server.directory, 'key.pem') };
    const install = (from: typeof one) => {
      copyFileSync(from.certificate, files.certificate);
      copyFileSync(from.key, files.key);
    };
    install(one);
    await start(`tls: { certificate: ${files.certificate}, key: ${files.key} }\n`, { directory: server.directory });
    const ca = readFileSync(authority.ca);
    expect(server.url).toMatch(/^https:/);
    expect(await ask({ ca })).toEqual({ status: 200, certificate: 'one' });
    install(two);
    server.running.reload();
    expect(await ask({ ca })).toEqual({ status: 200, certificate: 'two' });
    writeFileSync(files.certificate, 'nonsense');
    server.running.reload();
    expect(await ask({ ca })).toEqual({ status: 200, certificate: 'two' });
    await expect(ask({ ca, maxVersion: 'TLSv1.1' })).rejects.toThrow();
    await expect(ask({})).rejects.toThrow(/self.signed|unable to/);
  });

  it('client certificates: a client without one, or with another authority’s, is refused', async () => {
    server = new TestServer();
    const authority = new Authority(server.directory);
    const own = authority.issue('server');
    const client = authority.issue('client');
    await start(`tls: { certificate: ${own.certificate}, key: ${own.key}, client_ca: ${authority.ca} }\n`, { directory: server.directory });
    const ca = readFileSync(authority.ca);
    const shown = ({ certificate, key }: typeof own) => ({ ca, cert: readFileSync(certificate), key: readFileSync(key) });
    expect((await ask(shown(client))).status).toBe(200);
    await expect(ask({ ca })).rejects.toThrow();
    const { mkdtempSync } = await import('node:fs');
    const strangers = new Authority(mkdtempSync(join(server.directory, 'strangers-')));
    await expect(ask(shown(strangers.issue('client')))).rejects.toThrow();
  });

  it('only its owner can open a unix socket; with identity.mode none it needs no token', async () => {
    server = new TestServer();
    const path = join(server.directory, 'api.sock');
    await start('identity: { mode: none }\n', { directory: server.directory, listen: `unix:${path}` });
    expect(server.url).toBe(`unix:${path}`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const status = await new Promise((resolve, reject) => {
      get({ socketPath: path, path: '/v2.0/routers' }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on('error', reject);
    });
    expect(status).toBe(200);
    const { Client } = await import('../../src/client/client.ts');
    const client = new Client({ url: server.url, token: '' }, {});
    expect(await client.get('/v1/routers')).toEqual({ routers: [] });
  });

  it('identity.mode none answers no request that a browser sends to another name of this address', async () => {
    server = await new TestServer('identity: { mode: none }\n', { insecure: true }).start();
    const { port } = new URL(server.url);
    const ask = (host: string) =>
      new Promise((resolve, reject) => {
        get(`${server.url}/v1/routers`, { headers: { host } }, (response) => {
          response.resume();
          resolve(response.statusCode);
        }).on('error', reject);
      });
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`])
      expect([host, await ask(host)]).toEqual([host, 200]);
    for (const host of [`rebound.example:${port}`, 'rebound.example', `127.0.0.1.rebound.example:${port}`, `localhost.:${port}`])
      expect([host, await ask(host)]).toEqual([host, 403]);
  });

  it.each([
    ['127.0.0.1:0', false, /^identity.mode: 'none' makes every client of the API an admin/],
    ['0.0.0.0:0', true, /^identity.mode: 'none' makes every client of the API an admin/],
    ['[::]:0', true, /^identity.mode: 'none' makes every client of the API an admin/],
    ['127.0.0.1:0', true, null],
    ['[::1]:0', true, null],
    ['unix:/tmp/x.sock', false, null],
  ])('identity.mode none on %s, insecure %s', (listen, insecure, message) => {
    server = new TestServer();
    const config = join(server.directory, 'pinhole.yaml');
    writeFileSync(config, 'identity: { mode: none }\n');
    const load = () => loadConfig({ config, listen, insecure }, {});
    if (message) expect(load).toThrow(message);
    else expect(load().server.identity.mode).toBe('none');
  });
});
