import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { STORES } from '../support/stores.ts';
import { TestServer } from '../support/test-server.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const ABSENT = '00000000-0000-4000-8000-000000000000';
const FTP = { protocol: 'tcp', port: 21, helper: 'ftp' };

describe.each(STORES)('Neutron dialect, on %s', (store) => {
  const server = new TestServer('', { store });
  let router: string;
  let path: string;

  beforeAll(async () => {
    await server.start();
    router = await server.newRouter();
    path = `/v2.0/routers/${router}/conntrack_helpers`;
  });
  afterAll(() => server.close());

  const post = (helper: unknown) => server.call('POST', path, { conntrack_helper: helper });
  const error = (type: string, message: string) => ({ NeutronError: { type, message, detail: '' } });

  it('creates, shows, lists, changes and deletes a helper with exactly four keys', async () => {
    const made = await post(FTP);
    expect(made).toMatchObject({ status: 201, body: { conntrack_helper: { id: expect.stringMatching(UUID), ...FTP } } });
    const { id } = made.body.conntrack_helper;
    expect(Object.keys(made.body.conntrack_helper).sort()).toEqual(['helper', 'id', 'port', 'protocol']);
    expect(await server.call('GET', `${path}/${id}`)).toMatchObject({ status: 200, body: { conntrack_helper: { id, ...FTP } } });
    expect((await server.call('GET', path)).body).toEqual({ conntrack_helpers: [{ id, ...FTP }] });
    expect((await server.call('GET', `/v2.0/routers/${router}`)).body.router.conntrack_helpers).toEqual([FTP]);
    expect(await server.call('PUT', `${path}/${id}`, { conntrack_helper: { port: 2121 } })).toMatchObject({
      status: 200,
      body: { conntrack_helper: { id, ...FTP, port: 2121 } },
    });
    expect(await server.call('PUT', `${path}/${id}`, { conntrack_helper: {} })).toMatchObject({ status: 200 });
    expect(await server.call('DELETE', `${path}/${id}`)).toMatchObject({ status: 204, body: '' });
    expect(await server.call('GET', `${path}/${id}`)).toMatchObject({
      status: 404,
      body: error('ConntrackHelperNotFound', `Conntrack Helper ${id} could not be found.`),
    });
  });

  it.each([
    ['a helper that is not allowed', { ...FTP, helper: 'nosuch' }, 'ConntrackHelperNotAllowed', 'Conntrack Helper nosuch is not allowed.'],
    [
      'a protocol that the helper has not',
      { ...FTP, protocol: 'udp' },
      'InvalidProtocolForHelper',
      'Conntrack Helper ftp does not support: udp. Supported protocols are: tcp',
    ],
    [
      'a protocol in capitals',
      { ...FTP, protocol: 'TCP' },
      'HTTPBadRequest',
      'Invalid input for protocol. Reason: TCP is not in valid_values.',
    ],
    ['port 0', { ...FTP, port: 0 }, 'HTTPBadRequest', "Invalid input for port. Reason: '0' is too small - must be at least '1'."],
    [
      'port 65536',
      { ...FTP, port: 65536 },
      'HTTPBadRequest',
      "Invalid input for port. Reason: '65536' is too large - must be no larger than '65535'.",
    ],
    ['a port that is no number', { ...FTP, port: 'x' }, 'InvalidInput', "Invalid input for operation: 'x' is not an integer."],
    [
      'a missing field',
      { protocol: 'tcp', port: 21 },
      'HTTPBadRequest',
      "Failed to parse request. Required attribute 'helper' not specified",
    ],
    ['an unknown field', { ...FTP, extra: 1 }, 'HTTPBadRequest', "Unrecognized attribute(s) 'extra'"],
    ['an id', { ...FTP, id: 'x' }, 'HTTPBadRequest', "Attribute 'id' not allowed in POST"],
  ])('refuses %s in Neutron’s words', async (_what, body, type, message) => {
    expect(await post(body)).toMatchObject({ status: 400, body: error(type, message) });
  });

  it('refuses malformed bodies', async () => {
    expect(await server.call('POST', path, {})).toMatchObject({ status: 400, body: error('HTTPBadRequest', 'Resource body required') });
    expect(await server.call('POST', path, { other: 1 })).toMatchObject({
      status: 400,
      body: error('HTTPBadRequest', "Unable to find 'conntrack_helper' in request body"),
    });
    expect(await server.call('POST', path, undefined, { raw: '{' })).toMatchObject({
      status: 400,
      body: error('MalformedRequestBody', 'Malformed request body: Cannot understand JSON.'),
    });
  });

  it('answers a duplicate with 400 and the values in conflict, on create and on update', async () => {
    const [one, two] = [await post({ ...FTP, port: 31 }), await post({ ...FTP, port: 32 })];
    const message = `Bad conntrack_helper request: A duplicate conntrack helper entry with same attributes already exists, conflicting values are {'router_id': '${router}', 'protocol': 'tcp', 'port': 31, 'helper': 'ftp'}.`;
    expect(await post({ ...FTP, port: 31 })).toMatchObject({ status: 400, body: error('BadRequest', message) });
    expect(await server.call('PUT', `${path}/${two.body.conntrack_helper.id}`, { conntrack_helper: { port: 31 } })).toMatchObject({
      status: 400,
      body: error('BadRequest', message),
    });
    for (const { body } of [one, two]) await server.call('DELETE', `${path}/${body.conntrack_helper.id}`);
  });

  it('accepts a port as a string of digits', async () => {
    const { body } = await post({ ...FTP, port: '41' });
    expect(body.conntrack_helper.port).toBe(41);
    await server.call('DELETE', `${path}/${body.conntrack_helper.id}`);
  });

  it('creates all helpers of a bulk request or none', async () => {
    const bulk = (...helpers: unknown[]) => server.call('POST', path, { conntrack_helpers: helpers });
    const before = (await server.call('GET', path)).body.conntrack_helpers.length;
    expect(await bulk({ ...FTP, port: 51 }, { ...FTP, port: 52 }, { ...FTP, port: 51 })).toMatchObject({ status: 400 });
    expect((await server.call('GET', path)).body.conntrack_helpers).toHaveLength(before);
    const made = await bulk({ ...FTP, port: 51 }, { ...FTP, port: 52 });
    expect(made).toMatchObject({ status: 201, body: { conntrack_helpers: [{ port: 51, router_id: router }, { port: 52 }] } });
    for (const { id } of made.body.conntrack_helpers) await server.call('DELETE', `${path}/${id}`);
  });

  it('filters, selects, sorts and pages', async () => {
    const helpers = [FTP, { protocol: 'udp', port: 69, helper: 'tftp' }, { protocol: 'udp', port: 5060, helper: 'sip' }];
    const ids: string[] = [];
    for (const helper of helpers) ids.push((await post(helper)).body.conntrack_helper.id);
    const ports = async (query: string) =>
      (await server.call('GET', `${path}?${query}`)).body.conntrack_helpers.map(({ port }: { port: number }) => port);
    expect(await ports('sort_key=port&sort_dir=desc')).toEqual([5060, 69, 21]);
    expect((await ports('helper=ftp&helper=sip')).sort()).toEqual([21, 5060]);
    expect((await server.call('GET', `${path}?fields=port&port=21`)).body).toEqual({ conntrack_helpers: [{ port: 21 }] });
    const seen: string[] = [];
    for (let query = 'limit=1'; query; ) {
      const { body } = await server.call('GET', `${path}?${query}`);
      seen.push(...body.conntrack_helpers.map(({ id }: { id: string }) => id));
      query = body.conntrack_helpers_links?.find(({ rel }: { rel: string }) => rel === 'next')?.href.split('?')[1];
    }
    expect(seen).toEqual([...ids].sort());
    expect(await server.call('GET', `${path}?router_id=x`)).toMatchObject({
      status: 400,
      body: error('HTTPBadRequest', "['router_id'] is invalid attribute for filtering"),
    });
    expect(await server.call('GET', `${path}?limit=-1`)).toMatchObject({
      status: 400,
      body: error('BadRequest', "Bad limit request: Limit must be an integer 0 or greater and not '-1'."),
    });
    for (const id of ids) await server.call('DELETE', `${path}/${id}`);
  });

  it('answers requests for an unknown router as Neutron does', async () => {
    const absent = `/v2.0/routers/${ABSENT}/conntrack_helpers`;
    expect(await server.call('GET', absent)).toMatchObject({ status: 200, body: { conntrack_helpers: [] } });
    expect(await server.call('POST', absent, { conntrack_helper: FTP })).toMatchObject({
      status: 404,
      body: error('RouterNotFound', `Router ${ABSENT} could not be found`),
    });
  });

  it('seed 001 no. 3: not found is an error, also for a helper of another router', async () => {
    const other = await server.newRouter();
    const { id } = (await post(FTP)).body.conntrack_helper;
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const answer = await server.call(
        method,
        `/v2.0/routers/${other}/conntrack_helpers/${id}`,
        method === 'PUT' ? { conntrack_helper: { port: 1 } } : undefined,
      );
      expect(answer).toMatchObject({ status: 404, body: error('ConntrackHelperNotFound', `Conntrack Helper ${id} could not be found.`) });
    }
    await server.call('DELETE', `${path}/${id}`);
  });

  it('increments the router’s revision with every change of its helpers, and deletes them with the router', async () => {
    const id = await server.newRouter();
    const revision = async () => (await server.call('GET', `/v2.0/routers/${id}`)).body.router.revision_number;
    const before = await revision();
    await server.call('POST', `/v2.0/routers/${id}/conntrack_helpers`, { conntrack_helper: FTP });
    expect(await revision()).toBe(before + 1);
    expect(await server.call('DELETE', `/v2.0/routers/${id}`)).toMatchObject({ status: 204 });
    expect((await server.call('GET', `/v2.0/routers/${id}/conntrack_helpers`)).body).toEqual({ conntrack_helpers: [] });
  });

  it('enforces the quota per router', async () => {
    const id = await server.newRouter();
    const helpers = Array.from({ length: 100 }, (_, index) => ({ ...FTP, port: index + 1 }));
    expect(await server.call('POST', `/v2.0/routers/${id}/conntrack_helpers`, { conntrack_helpers: helpers })).toMatchObject({
      status: 201,
    });
    expect(await server.call('POST', `/v2.0/routers/${id}/conntrack_helpers`, { conntrack_helper: { ...FTP, port: 2000 } })).toMatchObject({
      status: 409,
    });
  });

  it('answers with a request id: a new one, or the client’s', async () => {
    const own = 'req-11111111-2222-3333-4444-555555555555';
    expect(
      (await server.call('GET', '/v2.0/routers', undefined, { headers: { 'x-openstack-request-id': own } })).headers.get(
        'x-openstack-request-id',
      ),
    ).toBe(own);
    expect(
      (await server.call('GET', '/v2.0/routers', undefined, { headers: { 'x-openstack-request-id': 'evil' } })).headers.get(
        'x-openstack-request-id',
      ),
    ).toMatch(/^req-/);
  });
});
