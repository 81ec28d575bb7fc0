import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { STORES } from '../support/stores.ts';
import { TestServer } from '../support/test-server.ts';

const FTP = { protocol: 'tcp', port: 21, helper: 'ftp' };

describe.each(STORES)('beyond Neutron, off its body, on %s', (store) => {
  const server = new TestServer('api:\n  quota_per_router: 3\n', { store });
  let path: string;

  beforeAll(async () => {
    await server.start();
  });
  afterAll(() => server.close());

  const fresh = async (fields: object = {}) => {
    path = `/v1/routers/${await server.newRouter(fields)}/helpers`;
  };

  describe('If-Match', () => {
    it('on helpers: a change that is meant for another revision is refused', async () => {
      await fresh();
      const made = await server.call('POST', path, FTP);
      expect([made.body.revision, made.headers.get('etag')]).toEqual([1, '"1"']);
      const one = `${path}/${made.body.id}`;
      const put = (port: number, etag?: string) =>
        server.call('PUT', one, { port }, etag === undefined ? {} : { headers: { 'if-match': etag } });
      expect(await put(22, '"1"')).toMatchObject({ status: 200, body: { revision: 2, port: 22 } });
      expect(await put(23, '"1"')).toMatchObject({
        status: 412,
        body: { error: { code: 'revision-mismatch', message: 'Constrained to 1, but current revision is 2' } },
      });
      expect((await server.call('GET', one)).headers.get('etag')).toBe('"2"');
      expect((await server.call('DELETE', one, undefined, { headers: { 'if-match': '"1"' } })).status).toBe(412);
      expect((await put(24, '*')).status).toBe(200);
      expect((await put(25, 'W/"3"')).status).toBe(400);
      expect((await server.call('DELETE', one, undefined, { headers: { 'if-match': '"3"' } })).status).toBe(204);
    });

    it('one of many concurrent changes of a revision succeeds', async () => {
      await fresh();
      const { body } = await server.call('POST', path, FTP);
      const puts = Array.from({ length: 20 }, (_, index) =>
        server.call('PUT', `${path}/${body.id}`, { port: 100 + index }, { headers: { 'if-match': '"1"' } }),
      );
      const statuses = (await Promise.all(puts)).map(({ status }) => status).sort();
      expect(statuses).toEqual([200, ...Array(19).fill(412)]);
    });

    it('on routers', async () => {
      const router = `/v1/routers/${await server.newRouter()}`;
      expect((await server.call('PUT', router, { name: 'a' }, { headers: { 'if-match': '"1"' } })).status).toBe(200);
      expect((await server.call('PUT', router, { name: 'b' }, { headers: { 'if-match': '"1"' } })).status).toBe(412);
      expect((await server.call('DELETE', router, undefined, { headers: { 'if-match': '"2"' } })).status).toBe(204);
    });
  });

  describe('Idempotency-Key', () => {
    const keyed = (key: string, body: unknown, url = path, token = server.token) =>
      server.call('POST', url, body, { headers: { 'idempotency-key': key }, token });

    it('a repeated request gets the same answer, and changes nothing', async () => {
      await fresh();
      const [first, second] = [await keyed('k1', FTP), await keyed('k1', FTP)];
      expect([first.status, second.status]).toEqual([201, 201]);
      expect(second.body).toEqual(first.body);
      expect((await server.call('GET', path)).body.helpers).toHaveLength(1);
    });

    it('concurrent repetitions all get the same answer', async () => {
      await fresh();
      const answers = await Promise.all(Array.from({ length: 10 }, () => keyed('k2', FTP)));
      expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    });

    it('a different request under the same key is refused; keys of different actors are independent', async () => {
      await fresh();
      await keyed('k3', FTP);
      expect(await keyed('k3', { ...FTP, port: 22 })).toMatchObject({ status: 422, body: { error: { code: 'idempotency-mismatch' } } });
      const other = await server.newToken('admin');
      expect((await keyed('k3', { ...FTP, port: 23 }, path, other)).status).toBe(201);
    });

    it('holds for routers too, and in Neutron’s dialect', async () => {
      const make = () => keyed('k4', { router: { name: 'once' } }, '/v2.0/routers');
      expect((await make()).body.router.id).toBe((await make()).body.router.id);
      expect((await keyed('a b', FTP)).status).toBe(400);
      expect((await keyed('x'.repeat(129), FTP)).status).toBe(400);
    });

    it('a failed request is not stored', async () => {
      await fresh();
      const bad = { ...FTP, helper: 'nosuch' };
      expect([(await keyed('k5', bad)).status, (await keyed('k5', FTP)).status]).toEqual([400, 201]);
    });
  });

  describe('quotas', () => {
    const create = (port: number) => server.call('POST', path, { ...FTP, port });

    it('per router: exact under concurrent writers', async () => {
      await fresh();
      const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => create(1000 + index)));
      expect(answers.map(({ status }) => status).sort()).toEqual([...Array(3).fill(201), ...Array(9).fill(409)]);
      expect(answers.find(({ status }) => status === 409)?.body.error).toMatchObject({
        code: 'quota-exceeded',
        message: 'Quota exceeded: a router has at most 3 conntrack helpers.',
      });
      const bulk = { conntrack_helpers: [{ ...FTP, port: 5 }] };
      expect(await server.call('POST', path.replace('v1', 'v2.0').replace('helpers', 'conntrack_helpers'), bulk)).toMatchObject({
        status: 409,
        body: { NeutronError: { type: 'OverQuota' } },
      });
    });

    it('per project: exact, across routers, through deletes and moves', async () => {
      await server.call('PUT', '/v1/quotas/qp', { routers: 2, helpers: 4 });
      const routers = [await server.newRouter({ project_id: 'qp' }), await server.newRouter({ project_id: 'qp' })];
      expect((await server.call('POST', '/v2.0/routers', { router: { project_id: 'qp' } })).status).toBe(409);
      const adds = routers.flatMap((id) => [1, 2, 3].map((port) => server.call('POST', `/v1/routers/${id}/helpers`, { ...FTP, port })));
      expect((await Promise.all(adds)).map(({ status }) => status).sort()).toEqual([201, 201, 201, 201, 409, 409]);
      const usage = async (project: string) => (await server.call('GET', `/v1/quotas/${project}`)).body;
      expect(await usage('qp')).toEqual({ project_id: 'qp', routers: { used: 2, limit: 2 }, helpers: { used: 4, limit: 4 } });
      const [first, second] = routers as [string, string];
      const ofFirst = (await server.call('GET', `/v1/routers/${first}/helpers`)).body.helpers.length;
      await server.call('DELETE', `/v1/routers/${first}`);
      expect((await usage('qp')).helpers.used).toBe(4 - ofFirst);
      await server.call('PUT', `/v1/routers/${second}`, { project_id: 'other' });
      expect([(await usage('qp')).helpers.used, (await usage('other')).helpers.used]).toEqual([0, 4 - ofFirst]);
      await server.call('PUT', '/v1/quotas/qp', { routers: null });
      expect((await usage('qp')).routers).toEqual({ used: 0, limit: -1 });
    });
  });

  it('an expired helper is deleted, with an audit entry that names the actor', async () => {
    await fresh();
    const expires_at = new Date(Date.now() + 300).toISOString();
    const { body } = await server.call('POST', path, { ...FTP, expires_at });
    await eventually(async () => (await server.call('GET', `${path}/${body.id}`)).status === 404);
    const { entries } = (await server.call('GET', `/v1/audit?target=${body.id}`)).body;
    expect(entries.map(({ action, actor }: { action: string; actor: string }) => [action, actor])).toEqual([
      ['delete_conntrack_helper', 'pinhole:expiry'],
      ['create_conntrack_helper', expect.stringMatching(/^token:/)],
    ]);
  });
});
