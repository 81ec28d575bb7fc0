import { readFileSync } from 'node:fs';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServerClient } from '../../src/agent/server-client.ts';
import { LocalBusClient } from '../../src/bus/local.ts';
import { paths } from '../../src/config/config.ts';
import { eventually } from '../support/eventually.ts';
import { realPorts } from '../support/ports.ts';
import { freePorts } from '../support/rabbitmq.ts';
import { STORES } from '../support/stores.ts';
import { TestServer } from '../support/test-server.ts';

/** Everything that the database holds. */
async function storedText({ config }: TestServer): Promise<string> {
  const { url } = config.server.database;
  const { database } = paths(config);
  if (url === null) return [database, `${database}-wal`].map((file) => readFileSync(file, 'latin1')).join('');
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query("select database_to_xml(true, false, '') as text");
  await client.end();
  return rows[0].text;
}

const FTP = { conntrack_helper: { protocol: 'tcp', port: 21, helper: 'ftp' } };

describe.each(STORES)('access, on %s', (store) => {
  const server = new TestServer('', { store });
  const tokens: Record<string, string> = {};
  let mine: string;

  beforeAll(async () => {
    await server.start();
    tokens['member'] = await server.newToken('member', 'p1');
    tokens['reader'] = await server.newToken('reader', 'p1');
    tokens['stranger'] = await server.newToken('member', 'p2');
    mine = await server.newRouter({ project_id: 'p1' });
  });
  afterAll(() => server.close());

  const as = (who: string, method: string, path: string, body?: unknown) => server.call(method, path, body, { token: tokens[who] ?? '' });

  it('is ready once an agent of this host reports and its kernel process answers, and takes requests before', async () => {
    const readiness = async () => {
      const { status, body } = await server.call('GET', '/readyz', undefined, { token: '' });
      return [status, body.reason ?? ''];
    };
    expect(await readiness()).toEqual([503, 'no agent has reported from host here yet: is that its name, and does its agent run?']);
    const bus = new LocalBusClient(paths(server.config).busSocket, realPorts);
    try {
      const agent = new ServerClient(bus, 'here');
      const at = new Date().toISOString();
      const tell = (up: boolean, reason: string) =>
        agent.reportState({
          startedAt: at,
          interval: 60,
          configurations: {},
          verification: { at, verifiedAt: null, boundSeconds: 60, kernel: { up, since: at, reason } },
        });
      await eventually(() =>
        tell(false, 'went away').then(
          () => true,
          () => false,
        ),
      );
      expect(await readiness()).toEqual([503, expect.stringMatching(/^the kernel process on here went away \(since 20/)]);
      await tell(true, '');
      expect(await readiness()).toEqual([200, '']);
    } finally {
      await bus.close();
    }
  });

  it('answers only health checks and the description of the API without a token', async () => {
    for (const path of ['/livez', '/healthcheck', '/openapi.json', '/console/api'])
      expect((await server.call('GET', path, undefined, { token: '' })).status).toBe(200);
    for (const path of [
      '/v2.0/routers',
      '/v1/routers',
      '/v1/status',
      '/v1/agents',
      '/v1/tokens',
      '/v1/expectations',
      '/metrics',
      '/nothing',
      '/v2.0/',
    ]) {
      expect([path, (await server.call('GET', path, undefined, { token: '' })).status]).toEqual([path, 401]);
    }
  });

  it('metrics are for those who see all projects, and for every client at an address of their own', async () => {
    const roles = { admin: 200, viewer: 200, auditor: 200, member: 403, reader: 403 };
    for (const [role, status] of Object.entries(roles)) {
      const token = await server.newToken(role, status === 403 ? 'p' : undefined);
      expect([role, (await server.call('GET', '/metrics', undefined, { token })).status]).toEqual([role, status]);
    }
    const [port] = await freePorts(1);
    const other = await new TestServer(`metrics_listen: 127.0.0.1:${port}\n`).start();
    try {
      expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toMatch(/^pinhole_hosts\{state="alive"\} \d+$/m);
      expect((await fetch(`http://127.0.0.1:${port}/v1/routers`)).status).toBe(404);
      expect((await other.call('GET', '/metrics', undefined, { token: '' })).status).toBe(401);
    } finally {
      await other.close();
    }
    await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow();
  });

  it.each(['x', 'ph_0_0', `ph_${'0'.repeat(16)}_${'A'.repeat(43)}`, 'ph_../..', "' or 1=1 --"])('refuses the token %s', async (token) => {
    expect((await server.call('GET', '/v1/routers', undefined, { token })).status).toBe(401);
  });

  it('accepts X-Auth-Token, which OpenStack clients send', async () => {
    expect((await server.call('GET', '/v2.0/routers', undefined, { token: '', headers: { 'x-auth-token': server.token } })).status).toBe(
      200,
    );
  });

  it('refuses a token as soon as it is revoked or has expired', async () => {
    const { body } = await server.call('POST', '/v1/tokens', { role: 'admin' });
    expect((await server.call('GET', '/v1/routers', undefined, { token: body.token })).status).toBe(200);
    await server.call('DELETE', `/v1/tokens/${body.id}`);
    expect((await server.call('GET', '/v1/routers', undefined, { token: body.token })).status).toBe(401);
    const over = await server.call('POST', '/v1/tokens', { role: 'admin', expires_at: '2020-01-01T00:00:00Z' });
    expect((await server.call('GET', '/v1/routers', undefined, { token: over.body.token })).status).toBe(401);
  });

  it('stores no secret: the database holds only a hash', async () => {
    // After `ph_`, 16 digits and `_`; the secret itself may hold any of these.
    const secret = (tokens['member'] as string).slice(20);
    expect(secret).toHaveLength(43);
    expect(await storedText(server)).not.toContain(secret);
    expect(JSON.stringify((await server.call('GET', '/v1/tokens')).body)).not.toContain(secret);
  });

  it('seed 000 CWE-284, CWE-693; 001 no. 6: a router of another project cannot be found', async () => {
    const { id } = (await as('member', 'POST', `/v2.0/routers/${mine}/conntrack_helpers`, FTP)).body.conntrack_helper;
    const one = `/v2.0/routers/${mine}/conntrack_helpers/${id}`;
    expect((await as('stranger', 'GET', '/v2.0/routers')).body).toEqual({ routers: [] });
    expect((await as('stranger', 'GET', `/v2.0/routers/${mine}/conntrack_helpers`)).body).toEqual({ conntrack_helpers: [] });
    const refused = await Promise.all([
      as('stranger', 'GET', `/v2.0/routers/${mine}`),
      as('stranger', 'PUT', `/v2.0/routers/${mine}`, { router: { name: 'x' } }),
      as('stranger', 'DELETE', `/v2.0/routers/${mine}`),
      as('stranger', 'POST', `/v1/routers/${mine}/helpers`, FTP.conntrack_helper),
      as('stranger', 'GET', one),
      as('stranger', 'PUT', one, { conntrack_helper: { port: 1 } }),
      as('stranger', 'DELETE', one),
      as('stranger', 'GET', `/v1/status/${mine}`),
      as('stranger', 'GET', `/v1/routers/${mine}/helpers`),
      as('stranger', 'GET', `/v1/routers/${mine}/expectations`),
    ]);
    expect(refused.map(({ status }) => status)).toEqual(refused.map(() => 404));
    // Pinhole's own dialect does not even reveal that the router exists.
    const absent = '00000000-0000-4000-8000-000000000000';
    for (const [method, body] of [
      ['GET', undefined],
      ['PUT', { port: 1 }],
      ['DELETE', undefined],
    ] as const) {
      const told = async (router: string, helper: string) => {
        const { status, text } = await as('stranger', method, `/v1/routers/${router}/helpers/${helper}`, body);
        return `${status} ${text.replaceAll(router, 'ROUTER').replaceAll(helper, 'HELPER')}`;
      };
      expect(await told(mine, id)).toBe(await told(absent, absent));
    }
    // This is Neutron's answer: it reveals that the router exists, and nothing else about it.
    expect((await as('stranger', 'POST', `/v2.0/routers/${mine}/conntrack_helpers`, FTP)).status).toBe(403);
    expect((await as('member', 'GET', one)).body.conntrack_helper.port).toBe(21);
    await as('member', 'DELETE', one);
  });

  it('lets readers only read', async () => {
    expect((await as('reader', 'GET', `/v2.0/routers/${mine}`)).status).toBe(200);
    expect((await as('reader', 'POST', `/v2.0/routers/${mine}/conntrack_helpers`, FTP)).status).toBe(403);
    expect((await as('reader', 'DELETE', `/v2.0/routers/${mine}`)).status).toBe(403);
  });

  it('lets only admins set a router’s host and namespace', async () => {
    for (const fields of [{ host: 'h' }, { netns: 'n' }]) {
      expect((await as('member', 'POST', '/v2.0/routers', { router: { name: 'x', ...fields } })).status).toBe(403);
      expect((await as('member', 'PUT', `/v2.0/routers/${mine}`, { router: fields })).status).toBe(403);
      expect((await as('member', 'PUT', `/v1/routers/${mine}`, fields)).status).toBe(403);
    }
    expect((await as('member', 'POST', '/v2.0/routers', { router: { name: 'x', project_id: 'p2' } })).status).toBe(400);
    expect((await as('member', 'POST', '/v1/routers', { name: 'x', project_id: 'p2' })).status).toBe(403);
    expect((await as('member', 'PUT', `/v1/routers/${mine}`, { project_id: 'p2' })).status).toBe(403);
    expect((await as('member', 'POST', '/v1/tokens', { role: 'admin' })).status).toBe(403);
    expect((await as('member', 'GET', '/v1/tokens')).status).toBe(403);
  });

  it('refuses a second router in a namespace of a host', async () => {
    await server.newRouter({ host: 'h', netns: 'shared' });
    expect((await server.call('POST', '/v2.0/routers', { router: { name: 'y', host: 'h', netns: 'shared' } })).status).toBe(409);
    expect((await server.call('PUT', `/v2.0/routers/${mine}`, { router: { host: 'h', netns: 'shared' } })).status).toBe(409);
    expect((await server.call('POST', '/v2.0/routers', { router: { name: 'y', host: 'h2', netns: 'shared' } })).status).toBe(201);
  });
});
