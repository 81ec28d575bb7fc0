import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServerClient } from '../../src/agent/server-client.ts';
import { LocalBusClient } from '../../src/bus/local.ts';
import { paths } from '../../src/config/config.ts';
import type { KernelState } from '../../src/contract/agent.ts';
import { PinholeError } from '../../src/model/errors.ts';
import { eventually } from '../support/eventually.ts';
import { Follower } from '../support/follower.ts';
import { realPorts } from '../support/ports.ts';
import { STORES } from '../support/stores.ts';
import { TestServer } from '../support/test-server.ts';

const HELD = { id: 'abcdefabcdef', reason: 'held: for a test', removed: 3, live: 4 };

describe.each(STORES)('hosts, on %s', (store) => {
  const server = new TestServer('', { store });
  let follower: Follower;
  let bus: LocalBusClient;

  beforeAll(async () => {
    await server.start();
    follower = await new Follower().open(server, { after: '0' });
    bus = new LocalBusClient(paths(server.config).busSocket, realPorts);
  });
  afterAll(async () => {
    follower.close();
    await bus.close();
    await server.close();
  });

  const startedAt = new Date().toISOString();
  /** Sends a heartbeat, as an agent of that host does. */
  async function beat(
    host: string,
    { interval = 60, state = {}, kernel }: { interval?: number; state?: Record<string, unknown>; kernel?: Partial<KernelState> } = {},
  ) {
    const at = new Date().toISOString();
    const known = { up: true, since: startedAt, reason: '', ...kernel };
    const verification = { at, verifiedAt: null, boundSeconds: 60, kernel: known };
    const agent = new ServerClient(bus, host);
    await eventually(() =>
      agent.reportState({ startedAt, interval, configurations: state, verification }).then(
        () => true,
        () => false,
      ),
    );
  }
  /** What the events say that a host became, in their order. */
  const became = (host: string) =>
    follower.events.filter(({ data }) => data.kind === 'host' && data.data['host'] === host).map(({ data }) => data.data['became']);
  const host = async (name: string) => (await server.call('GET', `/v1/hosts/${name}`)).body;
  const move = (router: string, to: string, query = '') => server.call('PATCH', `/v1/routers/${router}${query}`, { host: to });

  it('a host that falls silent and comes back is told of once each, in events, the list and its status', async () => {
    await beat('comes-and-goes', { interval: 1, state: { version: '9.9', kernel: { kernelRelease: '6.1.0-test' } } });
    expect(await host('comes-and-goes')).toMatchObject({ state: 'alive', version: '9.9', kernel_release: '6.1.0-test', routers: 0 });
    await eventually(() => became('comes-and-goes').includes('silent'), { what: 'the silence is told of', timeoutMs: 20_000 });
    expect((await host('comes-and-goes')).state).toBe('silent');
    await beat('comes-and-goes');
    await eventually(() => became('comes-and-goes').includes('alive'));
    expect(became('comes-and-goes')).toEqual(['known', 'silent', 'alive']);
    const [metrics] = [(await server.call('GET', '/metrics')).text];
    expect(metrics).toMatch(/^pinhole_hosts\{state="silent"\} \d+$/m);
  }, 40_000);

  it('the loss of a kernel process, and a pull that is held, are told of once each', async () => {
    const lost = { up: false, since: new Date().toISOString(), reason: 'does not answer' };
    await beat('troubled');
    for (const _ of [1, 2]) await beat('troubled', { kernel: lost });
    await beat('troubled', { state: { held: HELD } });
    await beat('troubled', { state: { held: HELD } });
    expect((await host('troubled')).held).toEqual(HELD);
    await beat('troubled');
    await eventually(() => became('troubled').includes('released'));
    expect(became('troubled')).toEqual(['known', 'kernel away', 'kernel back', 'held', 'released']);
    const away = follower.events.find(({ data }) => data.data['became'] === 'kernel away');
    expect(away?.data).toMatchObject({
      router_id: null,
      project_id: '',
      data: { reason: expect.stringMatching(/^the kernel process on troubled does not/) },
    });
  });

  it('only those who may see hosts receive events of hosts', async () => {
    const member = await server.newToken('member', 'p');
    const own = await new Follower().open({ url: server.url, token: member }, { after: '0' });
    await server.newRouter({ project_id: 'p', name: 'theirs' });
    await beat('secret');
    await eventually(() => became('secret').length === 1 && own.events.some(({ data }) => data.kind === 'change'));
    expect(own.events.filter(({ data }) => data.kind === 'host')).toEqual([]);
    own.close();
    expect((await server.call('GET', '/v1/hosts', undefined, { token: member })).status).toBe(403);
  });

  it('a router does not move to a host that never reported, or is silent, unless it is forced', async () => {
    await beat('rome');
    await beat('napoli', { interval: 1 });
    const router = await server.newRouter({ host: 'rome', netns: 'mover' });
    const typo = await move(router, 'rmoe');
    expect(typo.status).toBe(409);
    expect(typo.body.error).toMatchObject({
      code: 'host-unavailable',
      message: expect.stringMatching(/^no agent has ever reported from host rmoe, .* on rome\. Did you mean 'rome'\? Use force/),
      details: { field: 'host' },
    });
    await eventually(async () => (await host('napoli')).state === 'silent', { timeoutMs: 20_000 });
    expect((await move(router, 'napoli')).body.error.message).toMatch(/^the agent on napoli has been silent since 20/);
    const manifest = { routers: [{ id: router, name: 'r', netns: 'mover', host: 'napoli', helpers: [] }] };
    expect((await server.call('POST', '/v1/apply', manifest)).body.error).toMatchObject({ code: 'host-unavailable' });
    expect((await server.call('GET', `/v1/routers/${router}`)).body.host).toBe('rome');
    expect((await server.call('POST', '/v1/apply?force=true', manifest)).status).toBe(200);
    expect((await server.call('GET', `/v1/routers/${router}`)).body.host).toBe('napoli');
    expect((await move(router, 'rome')).status).toBe(200);
    expect((await move(router, 'rmoe', '?force=true')).status).toBe(200);
  }, 40_000);

  it('a host that no agent has reported from is listed as unknown, and its helpers say so', async () => {
    const router = await server.newRouter({ host: 'nowhere', netns: 'n' });
    await server.call('POST', `/v1/routers/${router}/helpers`, { helper: 'ftp', protocol: 'tcp', port: 21 });
    expect(await host('nowhere')).toMatchObject({ state: 'unknown', seen_at: null, routers: 1 });
    const { helpers } = (await server.call('GET', `/v1/status/${router}`)).body;
    expect(helpers[0].families[0]).toMatchObject({
      status: 'PENDING',
      reason: expect.stringMatching(/^no agent has reported from host nowhere/),
    });
    expect((await server.call('GET', '/v1/hosts/never-named')).body.error).toMatchObject({ code: 'host-not-found' });
  });

  it('a silent host is forgotten, unless routers name it; one that reports again is listed again', async () => {
    await beat('retired', { interval: 1 });
    const forget = (query = '') => server.call('DELETE', `/v1/hosts/retired${query}`);
    expect((await forget()).body.error).toMatchObject({ code: 'host-in-use', message: expect.stringMatching(/is alive/) });
    const router = await server.newRouter({ host: 'retired', netns: 'r' });
    await eventually(async () => (await host('retired')).state === 'silent', { timeoutMs: 20_000 });
    expect((await forget()).body.error).toMatchObject({
      code: 'host-in-use',
      message: expect.stringMatching(/^A router names host retired/),
    });
    expect((await forget('?force=true')).status).toBe(204);
    expect((await host('retired')).state).toBe('unknown');
    await server.call('DELETE', `/v1/routers/${router}`);
    expect((await server.call('GET', '/v1/hosts/retired')).status).toBe(404);
    await beat('retired');
    expect((await host('retired')).state).toBe('alive');
    const { entries } = (await server.call('GET', '/v1/audit?action=forget_host')).body;
    expect(entries).toMatchObject([{ target: 'retired' }]);
    expect(JSON.parse(entries[0].before)).toMatchObject({ routers: 1, seenAt: expect.stringMatching(/^20/) });
  }, 40_000);

  it('a held pull is confirmed through the server, and only the one that was seen', async () => {
    await beat('holding', { state: { held: HELD } });
    const confirmed: unknown[] = [];
    new ServerClient(bus, 'holding').start({
      hinted: () => undefined,
      connected: () => undefined,
      answers: async (_method, args) => {
        if (args['id'] !== HELD.id) throw new PinholeError('not-held', 'Another removal is held.');
        confirmed.push(args);
        return HELD;
      },
    });
    const confirm = (id: string) => server.call('POST', '/v1/hosts/holding/confirm', { id });
    expect((await confirm('000000000000')).body.error).toMatchObject({ code: 'not-held' });
    await eventually(async () => (await confirm(HELD.id)).status === 200);
    expect(confirmed).toEqual([{ id: HELD.id }]);
    const { entries } = (await server.call('GET', '/v1/audit?action=confirm_removal')).body;
    expect(entries).toMatchObject([{ target: 'holding' }]);
    expect(JSON.parse(entries[0].after)).toEqual(HELD);
  });
});
