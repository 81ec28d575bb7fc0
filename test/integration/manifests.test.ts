import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { STORES } from '../support/stores.ts';
import { TestServer } from '../support/test-server.ts';

interface Step {
  readonly step: string;
  readonly router: string;
  readonly router_id: string | null;
  readonly helper_id: string | null;
  readonly changes: readonly string[];
}

const FTP = { helper: 'ftp' };
const SIP = { helper: 'sip', protocol: 'udp' };

describe.each(STORES)('manifests on %s', (store) => {
  const server = new TestServer('api: { quota_helpers_per_project: 12 }\n', { store });

  beforeAll(() => server.start());
  afterAll(() => server.close());
  beforeEach(() => apply([], true));

  const send = async (route: 'apply' | 'plan', routers: object[], options: { prune?: boolean; token?: string; key?: string } = {}) =>
    server.call(
      'POST',
      `/v1/${route}?prune=${options.prune ?? false}`,
      { routers },
      {
        ...(options.token ? { token: options.token } : {}),
        ...(options.key ? { headers: { 'idempotency-key': options.key } } : {}),
      },
    );
  async function apply(routers: object[], prune = false): Promise<Step[]> {
    const { status, body } = await send('apply', routers, { prune });
    expect({ status, error: body.error }).toEqual({ status: 200, error: undefined });
    return body.steps;
  }
  const routers = async () => (await server.call('GET', '/v1/routers')).body.routers as Record<string, unknown>[];
  const router = async (name: string) =>
    (await routers()).find((one) => one['name'] === name) as { id: string; revision: number; netns: string };
  const helpers = async (name: string) =>
    (await server.call('GET', `/v1/routers/${(await router(name)).id}/helpers`)).body.helpers as {
      id: string;
      port: number;
      scope: object;
    }[];
  const audit = async () => (await server.call('GET', '/v1/audit')).body.entries as { id: number; action: string; target: string }[];
  const shown = (steps: readonly Step[]) => steps.map(({ step, router: name }) => `${step} ${name}`);

  it('are applied in one transaction: one revision a router, an audit entry and an event a change, one hint a router', async () => {
    await apply([{ name: 'a', netns: 'ns-a', helpers: [FTP, { helper: 'tftp' }] }]);
    const before = { router: await router('a'), audit: (await audit())[0]?.id ?? 0 };
    const steps = await apply(
      [
        { name: 'a', netns: 'ns-a', description: 'edge', helpers: [{ ...FTP, source: '10.0.0.0/8' }, SIP] },
        { name: 'b', netns: 'ns-b', helpers: [FTP] },
      ],
      true,
    );
    expect(shown(steps)).toEqual([
      'update-router a',
      'delete-helper a',
      'update-helper a',
      'create-helper a',
      'create-router b',
      'create-helper b',
    ]);
    expect((await router('a')).revision).toBe(before.router.revision + 1);
    expect((await router('b')).revision).toBe(1);
    const entries = (await audit()).filter(({ id }) => id > before.audit).reverse();
    expect(entries.map(({ action }) => action)).toEqual([
      'delete_conntrack_helper',
      'update_router',
      'update_conntrack_helper',
      'create_router',
      'create_conntrack_helper',
      'create_conntrack_helper',
    ]);
    expect(new Set(steps.map(({ router_id, helper_id }) => helper_id ?? router_id))).toEqual(new Set(entries.map(({ target }) => target)));
    expect(await apply([{ name: 'b', netns: 'ns-b', helpers: [FTP] }])).toEqual([]);
  });

  it('change a helper in place: its id stays', async () => {
    await apply([{ name: 'a', helpers: [FTP] }]);
    const [before] = await helpers('a');
    await apply([{ name: 'a', helpers: [{ ...FTP, source: '10.0.0.0/8' }] }]);
    await apply([{ name: 'a', helpers: [{ ...FTP, port: 2121, source: '10.1.0.0/16' }] }], true);
    const after = await helpers('a');
    expect(after).toMatchObject([{ id: before?.id, port: 2121, scope: { source: '10.1.0.0/16' } }]);
  });

  it.each([
    [
      'a helper that is not allowed',
      [FTP, { helper: 'nosuch', protocol: 'tcp', port: 1 }],
      'helper-not-allowed',
      'routers[1].helpers[1].helper',
    ],
    [
      'more than the quota',
      Array.from({ length: 13 }, (_, index) => ({ ...FTP, port: 100 + index })),
      'quota-exceeded',
      'routers[1].helpers[10]',
    ],
  ])('change nothing if they ask for %s, and name the place', async (_what, wanted, code, field) => {
    await apply([{ name: 'a', helpers: [FTP] }]);
    const before = { routers: await routers(), audit: await audit(), events: (await audit()).length };
    const manifest = [
      { name: 'a', description: 'changed', helpers: [SIP] },
      { name: 'b', helpers: wanted },
    ];
    const { status, body } = await send('apply', manifest);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(body.error.code === 'invalid-input' ? code : body.error.code).toBe(code);
    expect(body.error.details.field).toBe(field);
    expect({ routers: await routers(), audit: await audit(), events: (await audit()).length }).toEqual(before);
  });

  it('may exchange namespaces between routers, and move helpers to another router when the quota is full', async () => {
    const many = Array.from({ length: 12 }, (_, index) => ({ ...FTP, port: 1000 + index }));
    await apply([
      { name: 'a', netns: 'one', helpers: many },
      { name: 'b', netns: 'two', helpers: [] },
    ]);
    await apply(
      [
        { name: 'b', netns: 'one', helpers: many },
        { name: 'a', netns: 'two', helpers: [] },
      ],
      true,
    );
    expect([(await router('a')).netns, (await router('b')).netns]).toEqual(['two', 'one']);
    expect([(await helpers('a')).length, (await helpers('b')).length]).toEqual([0, 12]);
    const moved = (await server.call('GET', '/v1/audit?action=update_router')).body.entries.slice(0, 2) as { before: string }[];
    expect(moved.map(({ before }) => JSON.parse(before).netns).sort()).toEqual(['one', 'two']);
  });

  it('that arrive at the same time leave what one of them would: no router and no helper twice', async () => {
    const manifest = Array.from({ length: 4 }, (_, index) => ({ name: `r${index}`, netns: null, helpers: [FTP, SIP] }));
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => send('apply', index % 2 === 0 ? manifest : [...manifest].reverse())),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(answers.filter(({ body }) => body.steps.length > 0)).toHaveLength(1);
    expect((await routers()).map(({ name }) => name).sort()).toEqual(['r0', 'r1', 'r2', 'r3']);
    for (const { name } of await routers()) expect(await helpers(name as string)).toHaveLength(2);
  });

  it('beside single changes of the same routers are all made or refused, and none is lost', async () => {
    await apply([{ name: 'a', helpers: [FTP] }]);
    const { id } = await router('a');
    const single = (port: number) => server.call('POST', `/v1/routers/${id}/helpers`, { helper: 'ftp', protocol: 'tcp', port });
    const outcomes = await Promise.all([
      ...[3001, 3002, 3003].map(single),
      send('apply', [{ name: 'a', helpers: [FTP, SIP] }]),
      ...[3004, 3005].map(single),
      send('apply', [{ name: 'a', helpers: [{ ...FTP, source: '10.0.0.0/8' }] }]),
    ]);
    expect(outcomes.every(({ status }) => status < 300)).toBe(true);
    expect((await helpers('a')).map(({ port }) => port).sort()).toEqual([21, 3001, 3002, 3003, 3004, 3005, 5060]);
  });

  it('are applied once under an idempotency key', async () => {
    const manifest = [{ name: 'a', helpers: [FTP] }];
    const first = await send('apply', manifest, { key: `${store}-1` });
    await apply([], true);
    const again = await send('apply', manifest, { key: `${store}-1` });
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect(await routers()).toEqual([]);
    expect((await send('apply', [{ name: 'b' }], { key: `${store}-1` })).status).toBe(422);
  });

  it('are planned without a change: the same steps as apply, and the error with which apply would refuse them', async () => {
    await apply([{ name: 'a', helpers: [FTP] }]);
    const before = { routers: await routers(), audit: await audit() };
    const good = [{ name: 'a', helpers: [{ ...FTP, source: '10.0.0.0/8' }] }];
    const plan = await send('plan', good);
    expect([shown(plan.body.steps), plan.body.refusal]).toEqual([['update-helper a'], null]);
    const bad = [{ name: 'a', helpers: Array.from({ length: 13 }, (_, index) => ({ ...FTP, port: 100 + index })) }];
    expect((await send('plan', bad)).body).toMatchObject({ refusal: { code: 'quota-exceeded', field: 'routers[0].helpers[11]' } });
    expect({ routers: await routers(), audit: await audit() }).toEqual(before);
    expect((await apply(good)).map(({ changes }) => changes)).toEqual([['scope']]);
  });

  it('ask the policy for each change', async () => {
    const [member, reader] = [await server.newToken('member', 'p'), await server.newToken('reader', 'p')];
    const mine = [{ name: 'mine', helpers: [FTP] }];
    expect((await send('apply', mine, { token: reader })).body.error).toMatchObject({ code: 'denied', details: { field: 'routers[0]' } });
    expect((await send('plan', mine, { token: reader })).body).toMatchObject({ refusal: { code: 'denied' }, steps: [{}, {}] });
    expect((await send('apply', mine, { token: member })).status).toBe(200);
    const placed = [{ name: 'mine', netns: 'theirs', helpers: [FTP, SIP] }];
    expect((await send('apply', placed, { token: member })).body.error.code).toBe('denied');
    expect(await helpers('mine')).toHaveLength(1);
    await apply([{ name: 'theirs', project: 'q', helpers: [FTP] }]);
    const hidden = [{ name: 'theirs', helpers: [] }];
    expect(shown((await send('apply', hidden, { token: member, prune: true })).body.steps)).toEqual([
      'delete-router mine',
      'create-router theirs',
    ]);
    expect((await routers()).filter(({ name }) => name === 'theirs')).toHaveLength(2);
  });

  it('keep labels, times to live and profiles', async () => {
    const manifest = {
      profiles: { files: [FTP, { helper: 'tftp', ttl: '1h' }] },
      routers: [{ name: 'a', labels: { site: 'berlin', empty: '' }, profiles: ['files'], helpers: [SIP] }],
    };
    const send = async () => (await server.call('POST', '/v1/apply', manifest)).body.steps;
    expect(await send()).toHaveLength(4);
    expect(await send()).toEqual([]);
    expect(await router('a')).toMatchObject({ labels: { site: 'berlin', empty: '' } });
    const ends = (await helpers('a')).map((one) => (one as unknown as { expires_at: string | null }).expires_at).filter(Boolean);
    expect(ends).toHaveLength(1);
    expect(Date.parse(ends[0] ?? '') - Date.now()).toBeGreaterThan(3_000_000);
  });

  it('are bounded: a larger one, or one that asks for more changes than one transaction makes, is refused', async () => {
    const helper = (port: number) => ({ ...FTP, port });
    const many = Array.from({ length: 20_001 }, (_, index) => ({ name: `r${index}` }));
    expect((await send('apply', many)).body.error).toMatchObject({ code: 'too-large', message: expect.stringContaining('20001 changes') });
    const wide = Array.from({ length: 2_001 }, (_, index) => helper(index + 1));
    expect((await send('apply', [{ name: 'a', helpers: wide }])).body.error.details.field).toBe('routers[0].helpers');
    const large = await server.call('POST', '/v1/apply', undefined, {
      raw: ' '.repeat(8 * 1024 * 1024 + 1),
      headers: { 'content-type': 'application/json' },
    });
    expect(large.status).toBe(413);
    expect(await routers()).toEqual([]);
  });

  describe('labels', () => {
    const bulk = (selector: string, body: object, token?: string) =>
      server.call('POST', `/v1/bulk?selector=${encodeURIComponent(selector)}`, body, token ? { token } : {});
    const names = (body: { routers: { name?: string; router?: { name: string } }[] }) =>
      body.routers.map((one) => one.name ?? one.router?.name).sort();

    beforeEach(() =>
      apply([
        { name: 'b1', labels: { site: 'berlin', 'example.com/tier': 'edge' }, helpers: [FTP] },
        { name: 'b2', labels: { site: 'berlin' } },
        { name: 'p1', labels: { site: 'paris' } },
        { name: 'none' },
      ]),
    );

    it('select routers in lists and in status', async () => {
      const of = async (path: string, selector: string) =>
        names((await server.call('GET', `${path}?selector=${encodeURIComponent(selector)}`)).body);
      for (const path of ['/v1/routers', '/v1/status']) {
        expect(await of(path, 'site=berlin')).toEqual(['b1', 'b2']);
        expect(await of(path, 'site in (paris),!example.com/tier')).toEqual(['p1']);
        expect(await of(path, '!site')).toEqual(['none']);
      }
      expect((await server.call('GET', '/v1/routers?selector=a%20b')).body.error).toMatchObject({
        code: 'invalid-input',
        details: { field: 'selector' },
      });
    });

    it('change with PUT as a whole, with PATCH one by one', async () => {
      const { id } = await router('b1');
      const change = async (method: string, labels: object) => (await server.call(method, `/v1/routers/${id}`, { labels })).body.labels;
      expect(await change('PATCH', { site: 'rome', 'example.com/tier': null, new: '' })).toEqual({ new: '', site: 'rome' });
      expect(await change('PUT', { only: 'this' })).toEqual({ only: 'this' });
      const many = Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`k${index}`, 'v']));
      expect((await server.call('PATCH', `/v1/routers/${id}`, { labels: many })).body.error).toMatchObject({
        details: { field: 'labels' },
      });
      expect((await server.call('PATCH', `/v1/routers/${id}`, { labels: { 'a b': 'c' } })).status).toBe(400);
    });

    it('select the routers whose helpers change, all in one transaction', async () => {
      const add = await bulk('site=berlin', { action: 'add', helper: { helper: 'ftp', protocol: 'tcp', port: 21 } });
      expect(shown(add.body.steps)).toEqual(['create-helper b2']);
      const scope = { source: '10.0.0.0/8', destination: null, in_interface: null };
      const set = await bulk('site', { action: 'set', which: { helper: 'ftp' }, change: { scope } });
      expect(shown(set.body.steps).sort()).toEqual(['update-helper b1', 'update-helper b2']);
      expect(await helpers('b2')).toMatchObject([{ scope }]);
      const remove = await bulk('site!=paris', { action: 'remove', which: { helper: 'ftp', port: 21 } });
      expect(shown(remove.body.steps).sort()).toEqual(['delete-helper b1', 'delete-helper b2']);
    });

    it('change nothing if one router cannot be changed, or it is not clear which helper is meant', async () => {
      const many = Array.from({ length: 10 }, (_, index) => ({ ...FTP, port: 5000 + index }));
      await apply([{ name: 'none', helpers: many }]);
      const full = await bulk('site', { action: 'add', helper: { helper: 'sip', protocol: 'udp', port: 5060 } });
      expect(full.body.error).toMatchObject({ code: 'quota-exceeded', message: expect.stringMatching(/^router b2, sip udp/) });
      expect(await helpers('b1')).toHaveLength(1);
      const unclear = await bulk('!site', { action: 'set', which: { helper: 'ftp' }, change: { port: 1 } });
      expect(unclear.body.error).toMatchObject({
        code: 'invalid-input',
        message: expect.stringContaining('Router none has 10 such helpers'),
      });
    });

    it('never select routers that the client may not see', async () => {
      const member = await server.newToken('member', 'p');
      const add = { action: 'add', helper: { helper: 'tftp', protocol: 'udp', port: 69 } };
      expect((await bulk('site', add, member)).body).toEqual({ steps: [], warnings: [] });
    });
  });
});
