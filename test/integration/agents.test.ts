import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServerClient } from '../../src/agent/server-client.ts';
import type { FullPull } from '../../src/agent/source.ts';
import { LocalBusClient } from '../../src/bus/local.ts';
import { paths } from '../../src/config/config.ts';
import { routersDigest } from '../../src/contract/desired-router.ts';
import type { RouterReport } from '../../src/contract/status.ts';
import { openStore } from '../../src/processes/server-parts.ts';
import { hintedRouters } from '../../src/wire/hint.ts';
import { hintTopic, METHODS, SERVER_TOPIC } from '../../src/wire/topics.ts';
import { eventually } from '../support/eventually.ts';
import { realPorts } from '../support/ports.ts';
import { STORES } from '../support/stores.ts';
import { TestServer } from '../support/test-server.ts';

const FTP = { conntrack_helper: { protocol: 'tcp', port: 21, helper: 'ftp' } };

describe.each(STORES)('what a server and its agents say to each other, on %s', (store) => {
  const server = new TestServer('', { store });
  let bus: LocalBusClient;
  let agent: ServerClient;
  let mine: string;
  let other: string;
  let helper: string;

  beforeAll(async () => {
    await server.start();
    bus = new LocalBusClient(paths(server.config).busSocket, realPorts);
    agent = new ServerClient(bus, 'one');
    mine = await server.newRouter({ host: 'one', netns: 'n' });
    other = await server.newRouter({ host: 'two', netns: 'n' });
    helper = (await server.call('POST', `/v2.0/routers/${mine}/conntrack_helpers`, FTP)).body.conntrack_helper.id;
    await eventually(async () => (await agent.pullAll(null).catch(() => null)) !== null);
  });
  afterAll(async () => {
    await bus.close();
    await server.close();
  });

  const status = async (router: string) => (await server.call('GET', `/v1/status/${router}`)).body;
  const report = (routerId: string, revision: number): RouterReport => ({
    routerId,
    revision,
    reason: '',
    drifts: 0,
    helpers: [{ helperId: helper, families: [{ family: 'ipv4', status: 'ACTIVE', reason: '' }] }],
  });

  it('a host pulls all of its own routers, and no other host’s, even by id', async () => {
    const { routers } = (await agent.pullAll(null)) as FullPull;
    expect(routers).toEqual([
      {
        id: mine,
        name: 'r',
        netns: 'n',
        revision: 2,
        confinement: null,
        helpers: [{ id: helper, protocol: 'tcp', port: 21, helper: 'ftp', scope: null, expiresAt: null }],
        refused: [],
      },
    ]);
    expect((await agent.pull([mine, other])).routers.map(({ id }) => id)).toEqual([mine]);
  });

  it('an agent whose state is current is told so, and gets no routers', async () => {
    const { epoch, routers } = (await agent.pullAll(null)) as FullPull;
    expect(await agent.pullAll({ epoch, digest: routersDigest(routers) })).toBeNull();
    expect(await agent.pullAll({ epoch: 'another', digest: routersDigest(routers) })).toEqual({ epoch, routers, refused: [] });
    expect(await agent.pullAll({ epoch, digest: routersDigest([]) })).toEqual({ epoch, routers, refused: [] });
  });

  it('pulls many routers page by page', async () => {
    const made: string[] = [];
    for (let index = 0; index < 501; index++) made.push(await server.newRouter({ host: 'many', netns: `n${index}` }));
    const { routers } = (await new ServerClient(bus, 'many').pullAll(null)) as FullPull;
    expect(routers.map(({ id }) => id as string).sort()).toEqual(made.sort());
  });

  it('a change sends a hint to the router’s host, and to both hosts when a router moves', async () => {
    const heard: Record<string, string[]> = { one: [], three: [] };
    for (const host of ['one', 'three'])
      bus.serve(hintTopic(host), (_method, args) => void heard[host]?.push(...(hintedRouters(args) ?? [])));
    const router = await server.newRouter({ host: 'one', netns: 'moving' });
    await eventually(() => heard['one']?.includes(router) === true);
    expect(heard['three']).toEqual([]);
    heard['one'] = [];
    await server.call('PUT', `/v1/routers/${router}`, { host: 'three' });
    await eventually(() => heard['one']?.includes(router) === true && heard['three']?.includes(router) === true);
  });

  it('the status is PENDING, then the reported one, and UNKNOWN when the agent is silent', async () => {
    expect((await status(mine)).helpers[0].families[0]).toMatchObject({
      status: 'PENDING',
      reason: 'the agent on one has not reported yet',
    });
    await agent.reportState({ startedAt: new Date().toISOString(), interval: 1, configurations: {} });
    await agent.reportStatus([report(mine, 2)]);
    expect((await status(mine)).helpers[0].families).toEqual([{ family: 'ipv4', status: 'ACTIVE', reason: '' }]);
    expect((await server.call('GET', '/v1/agents')).body.agents[0]).toMatchObject({ host: 'one', alive: true });
    await eventually(async () => (await status(mine)).helpers[0].families[0].status === 'UNKNOWN');
    expect((await status(mine)).helpers[0].families[0].reason).toMatch(/^the agent on one has been silent since 20/);
    await agent.reportState({ startedAt: new Date().toISOString(), interval: 60, configurations: {} });
    expect((await status(mine)).helpers[0].families[0].status).toBe('ACTIVE');
  });

  it('a host cannot report on another host’s router', async () => {
    await agent.reportStatus([report(other, 1)]);
    expect((await status(other)).reported_at).toBeNull();
  });

  it('a malformed message is an error to its sender, and changes nothing', async () => {
    const before = (await server.call('GET', '/v1/status')).body;
    for (const [method, args] of [
      [METHODS.reportStatus, { host: 'one', reports: 'x' }],
      [METHODS.bulkPull, { resource_type: 'Other', version: '2.0', filter_kwargs: { host: 'one' } }],
      [METHODS.bulkPull, { resource_type: 'PinholeRouter', version: '9.0', filter_kwargs: { host: 'one' } }],
      ['nonsense', {}],
    ] as const) {
      await expect(bus.call(SERVER_TOPIC, method, args)).rejects.toMatchObject({ code: 'invalid-message' });
    }
    expect((await server.call('GET', '/v1/status')).body).toEqual(before);
  });

  it('a report that cannot be read becomes its router’s ERROR, and the reports beside it are saved', async () => {
    const second = await server.newRouter({ host: 'one', netns: 'second' });
    const read = { router_id: second, revision: 1, reason: '', drifts: 0, helpers: [] };
    const unreadable = { ...read, router_id: mine, revision: -1 };
    await bus.call(SERVER_TOPIC, METHODS.reportStatus, { host: 'one', reports: [unreadable, read] });
    const { helpers } = await status(mine);
    expect(helpers[0].families[0]).toMatchObject({
      status: 'ERROR',
      reason: expect.stringMatching(/cannot be read: .*revision: expected/),
    });
    expect((await status(second)).reported_revision).toBe(1);
    await agent.reportStatus([report(mine, 2)]);
    expect((await status(mine)).helpers[0].families[0].status).toBe('ACTIVE');
  });

  it('seed 000 CWE-703: the next server sends the hints that a server had not sent when it ended', async () => {
    const next = await openStore(server.config, realPorts);
    const heard: string[] = [];
    bus.serve(hintTopic('late'), (_method, args) => void heard.push(...(hintedRouters(args) ?? [])));
    await next.write(async (tx) => tx.appendOutbox('late', mine as never, new Date().toISOString()));
    await next.close();
    await eventually(() => heard.includes(mine), { timeoutMs: 15_000 });
  });
});
