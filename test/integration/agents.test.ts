import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServerClient } from '../../src/agent/server-client.ts';
import { LocalBusClient } from '../../src/bus/local.ts';
import { paths } from '../../src/config/config.ts';
import { DEFAULT_CONFINEMENT } from '../../src/contract/confinement.ts';
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
    helpers: [{ helperId: helper, families: [{ family: 'ipv4', status: 'ACTIVE', reason: '', verifiedAt: new Date().toISOString() }] }],
  });

  it('a host pulls all of its own routers, and no other host’s, even by id', async () => {
    const { pulled } = await agent.pullAll(null);
    expect(pulled?.routers).toEqual([
      {
        id: mine,
        name: 'r',
        netns: 'n',
        revision: 2,
        confinement: DEFAULT_CONFINEMENT,
        helpers: [{ id: helper, protocol: 'tcp', port: 21, helper: 'ftp', scope: null, expiresAt: null }],
        refused: [],
      },
    ]);
    expect((await agent.pull([mine, other])).routers.map(({ id }) => id)).toEqual([mine]);
  });

  it('an agent whose state is current is told so, and gets no routers', async () => {
    const all = await agent.pullAll(null);
    const { epoch } = all.history;
    const routers = all.pulled?.routers ?? [];
    expect(await agent.pullAll({ epoch, digest: routersDigest(routers) })).toEqual({ ...all, pulled: null });
    expect(await agent.pullAll({ epoch: 'another', digest: routersDigest(routers) })).toEqual(all);
    expect(await agent.pullAll({ epoch, digest: routersDigest([]) })).toEqual(all);
  });

  it('is told whose database the server has, and a position in it that rises with every change', async () => {
    const before = (await agent.pullAll(null)).history;
    await server.newRouter({ host: 'elsewhere', netns: 'position' });
    const { installation, epoch, position } = (await agent.pullAll(null)).history;
    expect(installation).toMatch(/^[0-9a-f]{12}$/);
    expect([installation, epoch]).toEqual([before.installation, before.epoch]);
    expect(position).toBeGreaterThan(before.position ?? Number.NaN);
  });

  it('pulls many routers page by page', async () => {
    const made: string[] = [];
    for (let index = 0; index < 501; index++) made.push(await server.newRouter({ host: 'many', netns: `n${index}` }));
    const { pulled } = await new ServerClient(bus, 'many').pullAll(null);
    expect(pulled?.routers.map(({ id }) => id as string).sort()).toEqual(made.sort());
  });

  it('a change sends a hint to the router’s host, and to both hosts when a router moves', async () => {
    const heard: Record<string, string[]> = { one: [], three: [] };
    for (const host of ['one', 'three'])
      bus.serve(hintTopic(host), (_method, args) => void heard[host]?.push(...(hintedRouters(args) ?? [])));
    const router = await server.newRouter({ host: 'one', netns: 'moving' });
    await eventually(() => heard['one']?.includes(router) === true);
    expect(heard['three']).toEqual([]);
    heard['one'] = [];
    await server.call('PUT', `/v1/routers/${router}?force=true`, { host: 'three' });
    await eventually(() => heard['one']?.includes(router) === true && heard['three']?.includes(router) === true);
  });

  it('the status is PENDING, then the reported one, and UNKNOWN when the agent is silent', async () => {
    expect((await status(mine)).helpers[0].families[0]).toMatchObject({
      status: 'PENDING',
      reason: 'no agent has reported from host one yet: is that its name, and does its agent run?',
    });
    await agent.reportState({ startedAt: new Date().toISOString(), interval: 1, configurations: {}, verification: null });
    await agent.reportStatus([report(mine, 2)], new Date().toISOString());
    expect((await status(mine)).helpers[0].families).toMatchObject([{ family: 'ipv4', status: 'ACTIVE', reason: '' }]);
    expect((await server.call('GET', '/v1/agents')).body.agents[0]).toMatchObject({ host: 'one', alive: true });
    await eventually(async () => (await status(mine)).helpers[0].families[0].status === 'UNKNOWN');
    expect((await status(mine)).helpers[0].families[0].reason).toMatch(/^the agent on one has been silent since 20/);
    await agent.reportState({ startedAt: new Date().toISOString(), interval: 60, configurations: {}, verification: null });
    expect((await status(mine)).helpers[0].families[0].status).toBe('ACTIVE');
  });

  it('what was not verified in time is STALE, by the server’s own clock; a heartbeat renews all reports at once', async () => {
    const ago = (seconds: number) => new Date(Date.now() - seconds * 1_000).toISOString();
    const kernel = { up: true, since: ago(0), reason: '' };
    // The clock of this host is an hour slow.
    const told = (verifiedAt: string | null, rest: object = {}) => ({ at: ago(3_600), verifiedAt, boundSeconds: 60, kernel, ...rest });
    const alive = { startedAt: ago(3_600), interval: 60, configurations: {} };
    const old = report(mine, 2);
    const helpers = old.helpers.map(({ helperId, families }) => ({
      helperId,
      families: families.map((family) => ({ ...family, reason: 'old', verifiedAt: ago(3_661) })),
    }));
    await agent.reportStatus([{ ...old, helpers }], ago(3_600));
    await agent.reportState({ ...alive, verification: told(null) });
    const family = async () => (await status(mine)).helpers[0].families[0];
    expect(await family()).toMatchObject({ status: 'STALE', reason: expect.stringMatching(/^not verified since 20\S+Z$/) });
    const { reported_at: reportedAt } = await status(mine);
    await agent.reportState({ ...alive, verification: told(ago(3_605)) });
    expect(await family()).toMatchObject({ status: 'ACTIVE' });
    const { verified_at: verifiedAt } = await family();
    expect(Math.abs(Date.now() - Date.parse(verifiedAt) - 5_000)).toBeLessThan(4_000);
    expect((await status(mine)).reported_at).toBe(reportedAt);
    expect((await server.call('GET', '/v1/agents')).body.agents[0]).toMatchObject({
      verified_at: verifiedAt,
      bound_seconds: 60,
      kernel: { up: true, reason: '' },
    });
    // It says again what it said, with a new time: nothing is saved, and nothing happened.
    await agent.reportStatus([{ ...old, helpers }], ago(3_600));
    expect((await status(mine)).reported_at).toBe(reportedAt);
    const away = { up: false, since: ago(3_690), reason: 'does not answer' };
    await agent.reportState({ ...alive, verification: told(ago(3_661), { kernel: away }) });
    expect(await status(mine)).toMatchObject({
      reason: expect.stringMatching(/^the kernel process on one does not answer \(since 20\S+Z\)$/),
      helpers: [{ families: [{ status: 'STALE', reason: expect.stringContaining('the kernel process on one does not answer') }] }],
    });
    const added = { conntrack_helper: { protocol: 'udp', port: 69, helper: 'tftp' } };
    const { id } = (await server.call('POST', `/v2.0/routers/${mine}/conntrack_helpers`, added)).body.conntrack_helper;
    const pending = (await status(mine)).helpers.find((one: { id: string }) => one.id === id).families[0];
    expect(pending).toMatchObject({ status: 'PENDING', reason: expect.stringContaining('the kernel process on one does not answer') });
    await server.call('DELETE', `/v2.0/routers/${mine}/conntrack_helpers/${id}`);
    await agent.reportState({ ...alive, verification: told(ago(3_600)) });
    await agent.reportStatus([report(mine, 4)], ago(0));
  });

  it('a host cannot report on another host’s router', async () => {
    await agent.reportStatus([report(other, 1)], new Date().toISOString());
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
    await agent.reportStatus([report(mine, 2)], new Date().toISOString());
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
