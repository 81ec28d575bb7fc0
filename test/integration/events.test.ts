import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServerClient } from '../../src/agent/server-client.ts';
import { LocalBusClient } from '../../src/bus/local.ts';
import { paths } from '../../src/config/config.ts';
import { METHODS, serverTopic } from '../../src/wire/topics.ts';
import { eventually } from '../support/eventually.ts';
import { Follower } from '../support/follower.ts';
import { realPorts } from '../support/ports.ts';
import { STORES } from '../support/stores.ts';
import { TestServer } from '../support/test-server.ts';

const FTP = { protocol: 'tcp', port: 21, helper: 'ftp' };

describe.each(STORES)('events, on %s', (store) => {
  const server = new TestServer('', { store });
  let mine: string;
  let other: string;
  let member: string;

  beforeAll(async () => {
    await server.start();
    member = await server.newToken('reader', 'p');
    mine = await server.newRouter({ project_id: 'p', host: 'one', netns: 'n' });
    other = await server.newRouter({ project_id: 'q' });
  });
  afterAll(() => server.close());

  const add = async (router: string, port: number, at = server) =>
    (await at.call('POST', `/v1/routers/${router}/helpers`, { ...FTP, port })).body.id;

  it('changes arrive in order, with the new state', async () => {
    const follower = await new Follower().open(server);
    const id = await add(mine, 1);
    await server.call('DELETE', `/v1/routers/${mine}/helpers/${id}`);
    await eventually(() => follower.events.length === 2);
    expect(follower.events.map(({ event, data }) => [event, data.data['action'], data.data['target']])).toEqual([
      ['change', 'create_conntrack_helper', id],
      ['change', 'delete_conntrack_helper', id],
    ]);
    expect(follower.events[0]?.data.data['after']).toMatchObject({ port: 1, helper: 'ftp' });
    follower.close();
  });

  it('a follower receives only events of projects that it may see', async () => {
    const follower = await new Follower().open(server, { token: member });
    await add(other, 2);
    await add(mine, 3);
    await eventually(() => follower.events.length > 0);
    expect(follower.events.map(({ data }) => data.router_id)).toEqual([mine]);
    follower.close();
  });

  it('a revoked token receives no more events', async () => {
    const { body } = await server.call('POST', '/v1/tokens', { role: 'reader', project_id: 'p' });
    const follower = await new Follower().open(server, { token: body.token });
    await server.call('DELETE', `/v1/tokens/${body.id}`);
    await add(mine, 4);
    await eventually(() => follower.ended);
    expect(follower.events.map(({ event, data }) => [event, (data as unknown as { code: string }).code])).toEqual([
      ['error', 'unauthenticated'],
    ]);
  });

  it('the stream of live expectations ends with its token as well', async () => {
    const { body } = await server.call('POST', '/v1/tokens', { role: 'reader', project_id: 'p' });
    const response = await fetch(`${server.url}/v1/expectations`, { headers: { authorization: `Bearer ${body.token}` } });
    let text = '';
    const ended = (async () => {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) text += Buffer.from(chunk).toString();
    })().catch(() => undefined);
    const bus = new LocalBusClient(paths(server.config).busSocket, realPorts);
    const tuple = { source: '10.0.0.1', destination: '10.0.0.2', port: 5000 };
    const expectation = { helper: 'ftp', protocol: 'tcp', ...tuple, master: tuple };
    const topic = serverTopic(readFileSync(paths(server.config).serverId, 'utf8').trim());
    const tell = () => bus.call(topic, METHODS.expectation, { router_id: mine, change: 'new', expectation });
    await eventually(() =>
      tell().then(
        () => text.includes('5000'),
        () => false,
      ),
    );
    await server.call('DELETE', `/v1/tokens/${body.id}`);
    const before = text;
    await tell();
    await ended;
    expect(text).toBe(before);
    await bus.close();
  });

  it('a client resumes after a number without a gap or repetition, also after a restart', async () => {
    const follower = await new Follower().open(server);
    await add(mine, 10);
    await eventually(() => follower.events.length === 1);
    follower.close();
    const missed = [await add(mine, 11), await add(mine, 12)];
    await server.stop();
    await server.start();
    const again = await new Follower().open(server, { lastId: follower.lastId });
    const live = await add(mine, 13);
    await eventually(() => again.events.length === 3);
    expect(again.events.map(({ data }) => data.data['target'])).toEqual([...missed, live]);
    const first = follower.events[0]?.id as number;
    expect(again.events.map(({ id }) => id)).toEqual([first + 1, first + 2, first + 3]);
    again.close();
  });

  it('a number that retention removed, or that does not exist yet, gets 410 and a way to continue', async () => {
    expect(await server.call('GET', '/v1/events?after=999999999')).toMatchObject({ status: 410, body: { error: { code: 'events-gone' } } });
    expect((await server.call('GET', '/v1/events?after=x')).status).toBe(400);
  });

  it('a report with a new status or drift makes one event', async () => {
    const bus = new LocalBusClient(paths(server.config).busSocket, realPorts);
    const agent = new ServerClient(bus, 'one');
    const follower = await new Follower().open(server, { token: member });
    const report = (status: 'ACTIVE' | 'ERROR', drifts: number) => ({
      routerId: mine,
      revision: 5,
      reason: '',
      drifts,
      helpers: [{ helperId: mine, families: [{ family: 'ipv4' as const, status, reason: '', verifiedAt: null }] }],
    });
    await eventually(async () =>
      agent.reportStatus([report('ACTIVE', 0)], new Date().toISOString()).then(
        () => true,
        () => false,
      ),
    );
    await agent.reportStatus([report('ACTIVE', 0)], new Date().toISOString());
    await agent.reportStatus([report('ACTIVE', 2)], new Date().toISOString());
    await agent.reportStatus([report('ERROR', 2)], new Date().toISOString());
    await eventually(() => follower.events.length >= 3);
    expect(follower.events.map(({ event }) => event)).toEqual(['status', 'drift', 'status']);
    expect(follower.events[1]?.data.data).toEqual({ host: 'one', repaired: 2 });
    follower.close();
    await bus.close();
  });

  it('one project takes no more than its share of the places, and gets one back when it gives one up', async () => {
    const own = { url: server.url, token: await server.newToken('member', 'greedy') };
    const all: Follower[] = [];
    for (let at = 0; at < 45; at++) all.push(await new Follower().open(own));
    expect(all.filter(({ status }) => status === 200).length).toBe(40);
    expect(all.filter(({ status }) => status === 503).length).toBe(5);
    const others = [await new Follower().open({ url: server.url, token: member }), await new Follower().open(server)];
    expect(others.map(({ status }) => status)).toEqual([200, 200]);
    all.shift()?.close();
    await eventually(async () => {
      const again = await new Follower().open(own);
      all.push(again);
      return again.status === 200;
    });
    for (const follower of [...all, ...others]) follower.close();
  });

  // SQLite is one server's own.
  if (store === 'postgres')
    it('a client of one server receives the events of another on the same database', async () => {
      const url = server.config.server.database.url as string;
      const second = await new TestServer(`database:\n  url: ${url}\n`).start();
      try {
        const follower = await new Follower().open(second, { token: member });
        const id = await add(mine, 20);
        await eventually(() => follower.events.length === 1);
        expect(follower.events[0]?.data.data['target']).toBe(id);
        const elsewhere = await new Follower().open(server, { token: member, lastId: follower.lastId });
        const next = await add(mine, 21, server);
        await eventually(() => elsewhere.events.length === 1 && follower.events.length === 2);
        expect([elsewhere.events[0]?.data.data['target'], follower.events[1]?.data.data['target']]).toEqual([next, next]);
        follower.close();
        elsewhere.close();
      } finally {
        await second.close();
      }
    });
});
