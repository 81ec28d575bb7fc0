import { createHash, createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newTokenText } from '../../src/contract/token.ts';
import { STORES } from '../support/stores.ts';
import { TestServer } from '../support/test-server.ts';

const FTP = { conntrack_helper: { protocol: 'tcp', port: 21, helper: 'ftp' } };

describe.each(STORES)('security, on %s', (store) => {
  const server = new TestServer('', { store });
  let member: string;
  let foreign: string;

  beforeAll(async () => {
    await server.start();
    member = await server.newToken('member', 'p');
    foreign = await server.newRouter({ project_id: 'q', name: 'secret-name' });
  });
  afterAll(() => server.close());

  /**
   * Bytes as they are; all that comes back until the server closes or is silent for a while. Silence is what is looked for: a server
   * that waits for the rest of a request tells nothing, and one that sees this end close drops the answers under way.
   */
  function raw(text: string): Promise<string> {
    const { hostname, port } = new URL(server.url);
    return new Promise((resolve) => {
      const socket: Socket = connect(Number(port), hostname, () => socket.write(text));
      let answer = '';
      const done = () => {
        socket.destroy();
        resolve(answer);
      };
      let timer = setTimeout(done, 2_000);
      socket.setEncoding('utf8').on('data', (chunk) => {
        answer += chunk;
        clearTimeout(timer);
        timer = setTimeout(done, 150);
      });
      socket.on('error', () => undefined);
      socket.on('close', done);
    });
  }
  const count = async () => (await server.call('GET', '/v1/routers')).body.routers.length;

  describe('tokens', () => {
    it('that almost equal a real one are refused', async () => {
      const known = member.slice(0, 19);
      for (const token of [
        `${known}_${'A'.repeat(43)}`,
        newTokenText(),
        known,
        `${known}_`,
        `${known}_${'A'.repeat(42)}`,
        `${known}_${'A'.repeat(44)}`,
      ])
        expect((await server.call('GET', '/v1/routers', undefined, { token })).status).toBe(401);
    });

    it('that are unknown, wrong, revoked or expired all get the same answer', async () => {
      const { body: revoked } = await server.call('POST', '/v1/tokens', { role: 'admin' });
      await server.call('DELETE', `/v1/tokens/${revoked.id}`);
      const { body: over } = await server.call('POST', '/v1/tokens', { role: 'admin', expires_at: '2020-01-01T00:00:00Z' });
      const wrong = `${member.slice(0, 20)}${'A'.repeat(43)}`;
      const answers = await Promise.all(
        [revoked.token, over.token, wrong, newTokenText(), 'x'].map((token) => server.call('GET', '/v1/routers', undefined, { token })),
      );
      expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    });

    it('forged like a JWT, or like Keystone’s, or with SQL in them, are refused', async () => {
      const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const claims = part({ sub: 'admin', role: 'admin', roles: ['admin'], project_id: 'q', exp: 4_102_444_800 });
      const signed = (header: object, signature: (text: string) => string) => {
        const text = `${part(header)}.${claims}`;
        return `${text}.${signature(text)}`;
      };
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const forged = [
        signed({ alg: 'none', typ: 'JWT' }, () => ''),
        signed({ alg: 'HS256', typ: 'JWT' }, (text) => createHmac('sha256', 'secret').update(text).digest('base64url')),
        signed({ alg: 'RS256', typ: 'JWT' }, (text) => createSign('sha256').update(text).sign(privateKey, 'base64url')),
        `gAAAAAB${'a'.repeat(180)}`,
        "ph_0000000000000000_' or '1'='1",
        "' or 1=1 --",
        `${member}' or '1'='1`,
        createHash('sha256').update(member.slice(20)).digest('hex'),
        `ph_${member.slice(3, 19)}_${createHash('sha256').update(member.slice(20)).digest('hex').slice(0, 43)}`,
        'admin',
        'null',
        '[object Object]',
      ];
      for (const token of forged) {
        expect([token.slice(0, 20), (await server.call('GET', '/v1/routers', undefined, { token })).status]).toEqual([
          token.slice(0, 20),
          401,
        ]);
        const own = await server.call('GET', '/v1/routers', undefined, { token: '', headers: { 'x-auth-token': token } });
        expect(own.status).toBe(401);
      }
    });

    it('are in no answer but the one to their creation, and in no error', async () => {
      const secret = member.slice(20);
      const spoken = [
        await server.call('GET', '/v1/tokens'),
        await server.call('GET', `/v1/tokens/${member}`, undefined, { token: member }),
        await server.call('GET', `/v2.0/routers/${member}`, undefined, { token: `${member}x` }),
        await server.call('POST', '/v1/routers', { name: 5 }, { token: member }),
        await server.call('GET', '/openapi.json'),
        await server.call('GET', '/metrics'),
      ];
      for (const { text, headers } of spoken) {
        // The answer repeats the path of its own request, even with a token in it.
        if (!text.includes('There is no GET')) expect(text).not.toContain(secret);
        expect(JSON.stringify([...headers])).not.toContain(secret);
      }
    });
  });

  describe('other projects', () => {
    it('cannot be reached by path tricks', async () => {
      const paths = [
        `/v2.0/routers/../routers/${foreign}`,
        `/v2.0/routers/%2e%2e/routers/${foreign}`,
        `/v2.0/routers/..%2frouters%2f${foreign}`,
        `/v2.0//routers/${foreign}`,
        `//v2.0/routers/${foreign}`,
        `/v2.0/./routers/${foreign}`,
        `/V2.0/routers/${foreign}`,
        `/v2.0/routers/${foreign}/`,
        `/v2.0/routers/${foreign}.json`,
        `/v2.0/routers/${foreign};.json`,
        `/v2.0/routers/${foreign}%00`,
        `/v2.0/routers/${foreign}%20`,
        `/v2.0/routers/${foreign}?project_id=q&tenant_id=q`,
        `/v2.0/routers/${foreign}#`,
        `/v2.0\\routers\\${foreign}`,
        `/v1/routers?find=${foreign}`,
        '/v1/routers?find=secret-name',
        `/v2.0/routers?id=${foreign}`,
        '/v2.0/routers?project_id=q',
        '/v2.0/routers?tenant_id=q&all_tenants=1',
        `/livez/../v2.0/routers/${foreign}`,
        `/metrics/..%2fv1/routers/${foreign}`,
        `http://127.0.0.1/v2.0/routers/${foreign}`,
      ];
      for (const path of paths) {
        for (const credentials of [`authorization: Bearer ${member}\r\n`, '']) {
          const answer = await raw(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${credentials}\r\n`);
          expect([path, /^HTTP\/1\.1 [24]\d\d /.test(answer)]).toEqual([path, true]);
          expect([path, answer.includes('secret-name')]).toEqual([path, false]);
        }
      }
    });

    it('cannot be reached by headers of proxies that name another user or path', async () => {
      for (const headers of [
        { 'x-user-id': 'admin', 'x-roles': 'admin', 'x-project-id': 'q', 'x-identity-status': 'Confirmed' },
        { 'x-original-url': `/v2.0/routers/${foreign}`, 'x-rewrite-url': `/v2.0/routers/${foreign}` },
        { 'x-http-method-override': 'DELETE', 'x-method-override': 'DELETE' },
        { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': 'evil', 'x-forwarded-user': 'admin', forwarded: 'for=127.0.0.1' },
      ] as Record<string, string>[]) {
        expect((await server.call('GET', `/v2.0/routers/${foreign}`, undefined, { token: member, headers })).status).toBe(404);
        expect((await server.call('GET', '/v2.0/routers', undefined, { token: '', headers })).status).toBe(401);
      }
      const { body } = await server.call('GET', '/v2.0/', undefined, {
        headers: { 'x-forwarded-host': 'evil', 'x-forwarded-proto': 'https' },
      });
      expect(JSON.stringify(body)).not.toContain('evil');
    });
  });

  describe('requests smuggled', () => {
    const head = () => `host: x\r\nauthorization: Bearer ${server.token}\r\ncontent-type: application/json\r\n`;
    const smuggled = () => `POST /v1/routers HTTP/1.1\r\n${head()}content-length: 15\r\n\r\n{"name":"evil"}`;

    it.each([
      ['two lengths', () => `POST /v1/routers HTTP/1.1\r\n${head()}content-length: 0\r\ncontent-length: 200\r\n\r\n${smuggled()}`],
      [
        'a length and chunks',
        () => `POST /v1/routers HTTP/1.1\r\n${head()}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${smuggled()}`,
      ],
      ['chunks spelt oddly', () => `POST /v1/routers HTTP/1.1\r\n${head()}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled()}`],
      ['a blank before the colon', () => `POST /v1/routers HTTP/1.1\r\n${head()}content-length : 0\r\n\r\n${smuggled()}`],
      ['a folded header', () => `POST /v1/routers HTTP/1.1\r\n${head()}x: a\r\n content-length: 0\r\n\r\n${smuggled()}`],
      ['line feeds alone', () => `POST /v1/routers HTTP/1.1\n${head().replaceAll('\r\n', '\n')}content-length: 0\n\n${smuggled()}`],
      ['a bad chunk', () => `POST /v1/routers HTTP/1.1\r\n${head()}transfer-encoding: chunked\r\n\r\nzz\r\n${smuggled()}`],
      ['a negative length', () => `POST /v1/routers HTTP/1.1\r\n${head()}content-length: -1\r\n\r\n${smuggled()}`],
      ['two hosts', () => `GET /v1/routers HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n`],
      ['another protocol', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ])('with %s create no router', async (_what, text) => {
      const before = await count();
      const answer = await raw(text());
      expect(answer).toMatch(/^(HTTP\/1\.1 4\d\d |$)/);
      expect(await count()).toBe(before);
    });

    it('cannot split a header of the response', async () => {
      const answer = await raw(
        `GET /v1/routers HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${server.token}\r\nx-openstack-request-id: req-x%0d%0aset-cookie: a\r\n\r\n`,
      );
      expect(answer).not.toContain('set-cookie');
      expect(answer).toMatch(/x-openstack-request-id: req-[0-9a-f-]{36}\r\n/);
    });
  });

  describe('bodies', () => {
    it('cannot set properties of a prototype', async () => {
      const path = `/v2.0/routers/${await server.newRouter()}/conntrack_helpers`;
      for (const text of [
        '{"conntrack_helper":{"protocol":"tcp","port":21,"helper":"ftp","__proto__":{"role":"admin"}}}',
        '{"__proto__":{"conntrack_helper":{"protocol":"tcp","port":21,"helper":"ftp"}}}',
        '{"conntrack_helper":{"protocol":"tcp","port":21,"helper":"constructor"}}',
        '{"conntrack_helper":{"protocol":"tcp","port":21,"helper":"__proto__"}}',
      ])
        expect((await server.call('POST', path, undefined, { raw: text })).status).toBe(400);
      expect(({} as { role?: string }).role).toBeUndefined();
    });

    it('with a NUL anywhere are refused with a reason', async () => {
      const router = await server.newRouter();
      for (const [method, path, body] of [
        ['POST', '/v2.0/routers', { router: { name: 'a\0b' } }],
        ['POST', '/v1/routers', { name: 'a\0b' }],
        ['PUT', `/v1/routers/${router}`, { description: '\0' }],
        ['POST', `/v2.0/routers/${router}/conntrack_helpers`, { conntrack_helper: { ...FTP.conntrack_helper, helper: 'f\0tp' } }],
        ['POST', '/v1/tokens', { role: 'reader', project_id: 'p', description: '\0' }],
        ['GET', '/v1/routers?find=%00', undefined],
        ['GET', '/v2.0/routers?name=a%00b', undefined],
        ['GET', '/v1/audit?actor=%00', undefined],
      ] as const)
        expect([path, (await server.call(method, path, body)).status]).toEqual([path, 400]);
      expect((await server.call('POST', '/v1/routers', { name: 'a\\u0000b' })).body.name).toBe('a\\u0000b');
    });

    it('with half a surrogate pair are accepted or refused, never a 5xx', async () => {
      const answer = await server.call('POST', '/v1/routers', undefined, { raw: '{"name":"a\\ud800b"}' });
      expect(answer.status).toBeLessThan(500);
    });
  });
});
