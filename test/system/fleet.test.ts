import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { Fleet } from '../support/fleet.ts';
import { Follower } from '../support/follower.ts';

const SOAK = process.env['PINHOLE_SOAK'] !== undefined;
const SERVERS = 3;
const AGENTS = 20;
const ROUTERS = 2_000;
const PROJECTS = 100;
const CHAOS_MS = SOAK ? 600_000 : 45_000;
const WRITERS = 8;
const KILL_EVERY_MS = 700;
const RETRY_MS = 100;

interface Known {
  readonly id: string;
  host: number;
  readonly netns: string;
  /** Ports of helpers whose creation was acknowledged and whose deletion was not requested. */
  readonly sure: Map<number, string>;
  /** Ports of changes that were requested and got no answer. */
  readonly unsure: Set<number>;
}

/** Kills every part of a fleet at random under writes. Acknowledged writes last, and every kernel converges to the database. */
describe('a fleet', () => {
  const fleet = new Fleet({ servers: SERVERS, agents: AGENTS, serverConfig: 'api: { quota_per_router: -1 }', agentConfig: '' });
  const routers: Known[] = [];
  let changes = 0;
  let unanswered = 0;

  const netnsOf = (index: number) => `qrouter-${index}`;
  const pick = <T>(list: readonly T[]) => list[Math.floor(Math.random() * list.length)] as T;
  const writes = () => fleet.kernels.reduce((sum, kernel) => sum + kernel.counts.applies, 0);

  beforeAll(async () => {
    await fleet.start((kernel, host) => {
      for (let index = host; index < ROUTERS; index += AGENTS) kernel.addNamespace(netnsOf(index));
    });
  }, 120_000);
  afterAll(() => fleet.stop(), 60_000);

  const said = ({ body }: { body: unknown }) => `${JSON.stringify(body)}\n${fleet.servers.map(({ log }) => log.slice(-1500)).join('\n')}`;

  /** Declares a router and its helpers through any server. */
  async function declare(index: number): Promise<void> {
    const host = index % AGENTS;
    const router = { name: netnsOf(index), netns: netnsOf(index), host: fleet.hostOf(host), project_id: `p${index % PROJECTS}` };
    const made = await fleet.call(index % SERVERS, 'POST', '/v1/routers', router);
    expect(made.status, said(made)).toBe(201);
    const { id } = made.body as { id: string };
    const wanted = [21, 2121, 2122, 2123].map((port) => ({ protocol: 'tcp', port, helper: 'ftp' }));
    const bulk = await fleet.call((index + 1) % SERVERS, 'POST', `/v2.0/routers/${id}/conntrack_helpers`, { conntrack_helpers: wanted });
    expect(bulk.status, said(bulk)).toBe(201);
    const { conntrack_helpers } = bulk.body as { conntrack_helpers: { id: string; port: number }[] };
    routers.push({
      id,
      host,
      netns: netnsOf(index),
      sure: new Map(conntrack_helpers.map((helper) => [helper.port, helper.id])),
      unsure: new Set(),
    });
  }

  /** Ports that the kernel of a router's host assigns. */
  function observed({ host, netns }: Known): number[] {
    const chains = fleet.kernels[host]?.table(netns)?.chains ?? [];
    const entries = chains.flatMap(({ rules }) => rules).flatMap(({ action }) => (action.kind === 'map-helper' ? action.entries : []));
    return entries.map(([port]) => port).sort((a, b) => a - b);
  }

  async function desired({ id }: Known): Promise<number[]> {
    const { status, body } = await fleet.call(0, 'GET', `/v2.0/routers/${id}/conntrack_helpers`);
    expect(status).toBe(200);
    return (body as { conntrack_helpers: { port: number }[] }).conntrack_helpers.map(({ port }) => port).sort((a, b) => a - b);
  }

  async function converges(some: readonly Known[], timeoutMs: number): Promise<void> {
    for (const router of some) {
      const wanted = JSON.stringify(await desired(router));
      await eventually(() => JSON.stringify(observed(router)) === wanted, { what: `${router.netns} has ${wanted}`, timeoutMs }).catch(
        (error) => {
          throw new Error(`${error.message}; it has ${JSON.stringify(observed(router))}\n${fleet.agents[router.host]?.log.slice(-2000)}`);
        },
      );
    }
  }

  it(`serves ${ROUTERS} routers × 4 helpers on ${AGENTS} hosts from ${SERVERS} servers`, async () => {
    for (let at = 0; at < ROUTERS; at += 50) await Promise.all(Array.from({ length: 50 }, (_, offset) => declare(at + offset)));
    await converges(routers, 60_000);
    const { body } = await fleet.call(1, 'GET', '/v1/agents');
    expect((body as { agents: { alive: boolean }[] }).agents.filter(({ alive }) => alive)).toHaveLength(AGENTS);
    await eventually(async () => {
      const status = (await fleet.call(2, 'GET', `/v1/status/${routers[7]?.id}`)).body as { helpers: { families: { status: string }[] }[] };
      return status.helpers.flatMap(({ families }) => families).every((family) => family.status === 'ACTIVE');
    });
  }, 180_000);

  it('a router moves to another host: the old host removes its table, the new one applies it', async () => {
    const router = routers[0] as Known;
    const before = router.host;
    const target = (before + 1) % AGENTS;
    fleet.kernels[target]?.addNamespace(router.netns);
    const moved = await fleet.call(0, 'PUT', `/v1/routers/${router.id}`, { host: fleet.hostOf(target) });
    expect(moved.status).toBe(200);
    await eventually(() => fleet.kernels[before]?.table(router.netns) === null && fleet.kernels[target]?.table(router.netns) !== null);
    router.host = target;
    await converges([router], 10_000);
  });

  it('a silent agent is shown as not alive, and its routers as UNKNOWN with the time of the last report', async () => {
    const follower = await new Follower().open({ url: fleet.urls[0] as string, token: fleet.token }, { after: '0' });
    const became = () =>
      follower.events.filter(({ data }) => data.kind === 'host' && data.data['host'] === 'host-3').map(({ data }) => data.data['became']);
    await fleet.agents[3]?.end();
    const router = routers.find(({ host }) => host === 3) as Known;
    await eventually(
      async () => {
        const { body } = await fleet.call(0, 'GET', `/v1/status/${router.id}`);
        return /^the agent on host-3 has been silent since 20/.test((body as { reason: string }).reason);
      },
      { what: 'the status is UNKNOWN', timeoutMs: 60_000 },
    );
    await eventually(() => became().includes('silent'), { what: 'an event says so', timeoutMs: 20_000 });
    fleet.agents[3]?.start();
    await eventually(async () => ((await fleet.call(0, 'GET', `/v1/status/${router.id}`)).body as { reason: string }).reason === '', {
      timeoutMs: 20_000,
    });
    await eventually(() => became().includes('alive'));
    // Every server looks at every host; one of them tells.
    expect(became().filter((word) => word === 'silent' || word === 'alive')).toEqual(['silent', 'alive']);
    follower.close();
  }, 120_000);

  it('agents that reconnect at the same time compare, and write nothing', async () => {
    const before = writes();
    await Promise.all(fleet.agents.map((agent) => agent.restart()));
    await Promise.all(fleet.agents.map((_agent, index) => fleet.agentSettled(index)));
    expect(writes()).toBe(before);
  }, 60_000);

  it(
    'servers, agents, broker and database are killed at random under writes, and nothing that was answered is lost',
    async () => {
      const before = writes();
      const until = Date.now() + CHAOS_MS;
      const chaos = wreck(until);
      const owned = Array.from({ length: WRITERS }, (_, writer) =>
        routers.filter((_router, index) => index % WRITERS === writer).slice(0, 40),
      );
      await Promise.all(owned.map((mine, writer) => write(mine, { writer, until })));
      await chaos;
      for (let index = 0; index < SERVERS; index++) await fleet.serverReady(index);
      let madeAllTheSame = 0;
      for (const router of owned.flat()) {
        const found = new Set(await desired(router));
        for (const port of router.sure.keys()) expect(found.has(port), `${router.netns}: port ${port} was answered`).toBe(true);
        for (const port of found)
          expect(router.sure.has(port) || router.unsure.has(port), `${router.netns}: port ${port} was never asked for`).toBe(true);
        madeAllTheSame += [...router.unsure].filter((port) => found.has(port)).length;
      }
      await converges(routers, 90_000);
      const applied = writes() - before;
      process.stdout.write(
        `fleet: ${changes} changes answered, ${unanswered} not (${madeAllTheSame} of them made), ${applied} tables written\n`,
      );
      expect(changes).toBeGreaterThan(100);
      expect(applied).toBeLessThanOrEqual(2 * (changes + madeAllTheSame));
    },
    CHAOS_MS + 240_000,
  );

  /** Creates and deletes helpers through random servers. Their answers decide which state is certain. */
  async function write(mine: readonly Known[], { writer, until }: { writer: number; until: number }): Promise<void> {
    let next = 10_000 + writer;
    while (Date.now() < until) {
      const router = pick(mine);
      const path = `/v2.0/routers/${router.id}/conntrack_helpers`;
      const server = Math.floor(Math.random() * SERVERS);
      const [oldest] = router.sure;
      if (oldest && router.sure.size > 6) {
        const [port, id] = oldest;
        router.sure.delete(port);
        const { status } = await fleet.call(server, 'DELETE', `${path}/${id}`);
        if (status !== 204) router.unsure.add(port);
        await count(status === 204);
      } else {
        const port = next;
        next += WRITERS;
        const { status, body } = await fleet.call(server, 'POST', path, { conntrack_helper: { protocol: 'tcp', port, helper: 'ftp' } });
        if (status === 201) router.sure.set(port, (body as { conntrack_helper: { id: string } }).conntrack_helper.id);
        else router.unsure.add(port);
        await count(status === 201);
      }
    }
  }

  /** Counts a request; pauses after one without an answer. */
  async function count(answered: boolean): Promise<void> {
    if (answered) changes++;
    else unanswered++;
    if (!answered) await sleep(RETRY_MS);
  }

  /** Kills one process after the other and starts each again. */
  async function wreck(until: number): Promise<void> {
    const started = Date.now();
    const big = [
      { at: CHAOS_MS * 0.3, wreck: () => fleet.rabbit.restart() },
      {
        at: CHAOS_MS * 0.6,
        wreck: async () => {
          await fleet.postgres.halt('SIGQUIT');
          await fleet.postgres.launch();
        },
      },
    ];
    while (Date.now() < until) {
      const next = big[0];
      if (next && Date.now() - started > next.at) {
        big.shift();
        await next.wreck();
        continue;
      }
      await pick(Math.random() < 0.3 ? fleet.servers : fleet.agents).restart();
      // The schedule of the faults itself: nothing tells when the next is due.
      await sleep(KILL_EVERY_MS);
    }
    expect(big).toEqual([]);
  }
});
