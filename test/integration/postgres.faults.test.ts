import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ChainCheck } from '../../src/contract/audit-check.ts';
import type { RouterId } from '../../src/contract/primitives.ts';
import type { Router } from '../../src/contract/router.ts';
import { openPostgres } from '../../src/store/postgres/store.ts';
import { eventually } from '../support/eventually.ts';
import { realPorts } from '../support/ports.ts';
import { newDatabase, PostgresCluster } from '../support/postgres.ts';
import { TestServer } from '../support/test-server.ts';

const SOAK = process.env['PINHOLE_SOAK'] !== undefined;
const ROUNDS = SOAK ? 50 : 4;

describe('several servers on one PostgreSQL', () => {
  const cluster = new PostgresCluster();
  beforeAll(() => cluster.start().then(() => undefined), 60_000);
  afterAll(() => cluster.stop());

  it('statements that a failed transaction refused to prepare do not fail other writes', async () => {
    const url = await newDatabase(cluster.url());
    const open = (chain: string) => openPostgres({ url, chain, connections: 2, ...realPorts });
    const [one, two] = [await open('one'), await open('two')];
    const at = '2026-01-01T00:00:00.000Z';
    const routers = Array.from(
      { length: 24 },
      (_, index): Router => ({
        id: randomUUID() as RouterId,
        name: `r${index}`,
        description: '',
        projectId: `p${index}`,
        host: null,
        netns: null,
        revision: 1,
        confinement: null,
        labels: {},
        createdAt: at,
        updatedAt: at,
      }),
    );
    const [wanted] = routers as [Router];
    await one.write(async (tx) => {
      for (const router of routers) await tx.insertRouter(router);
    });
    // Units of one batch use a statement for the first time, at once, after the first of them has waited in vain for what `one` holds.
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const holder = one.write(async (tx) => {
      await tx.lockRouter(wanted.id);
      await held;
    });
    await eventually(async () => (await two.read.routers({})).length === routers.length);
    let waitedInVain: () => void = () => undefined;
    const refused = new Promise<void>((resolve) => {
      waitedInVain = resolve;
    });
    const revisions = routers.map(({ id }, index) =>
      two.write(async (tx) => {
        if (index === 0) await tx.lockRouter(id).finally(waitedInVain);
        else await refused;
        return tx.bumpRevision(id, at);
      }),
    );
    await refused;
    release();
    expect(await Promise.all(revisions)).toEqual(routers.map(() => 2));
    await holder;
    await Promise.all([one.close(), two.close()]);
  });
});

describe('PostgreSQL goes away under writes', () => {
  const cluster = new PostgresCluster();
  const servers: TestServer[] = [];
  let router: string;

  beforeAll(async () => {
    await cluster.start();
    const url = await newDatabase(cluster.url());
    for (const _ of [1, 2])
      servers.push(await new TestServer(`api: { quota_per_router: -1 }\ndatabase:\n  url: ${url}\n  connections: 4\n`).start());
    router = await (servers[0] as TestServer).newRouter({ project_id: 'p' });
  }, 60_000);
  afterAll(async () => {
    for (const server of servers) await server.close();
    await cluster.stop();
  });

  it(`${ROUNDS} times, crashed or stopped: writes fail with 503, no answered write is lost, and both chains are intact`, {
    timeout: 3_600_000,
  }, async () => {
    const [first, second] = servers as [TestServer, TestServer];
    // Both know the first's token: they share a database.
    const acknowledged = new Set<string>();
    const statuses = new Map<number, number>();
    let port = 0;
    let isWriting = true;
    const writer = async (server: TestServer) => {
      while (isWriting) {
        const helper = { protocol: 'tcp', port: (++port % 65_535) + 1, helper: 'ftp' };
        const { status, body } = await server.call('POST', `/v1/routers/${router}/helpers`, helper, { token: first.token });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status === 201) acknowledged.add(body.id);
      }
    };
    const writers = [first, first, second, second].map(writer);
    for (let round = 0; round < ROUNDS; round++) {
      const before = acknowledged.size;
      await eventually(() => acknowledged.size > before + 50, { timeoutMs: 30_000 });
      await cluster.halt(round % 2 ? 'SIGINT' : 'SIGQUIT');
      const refused = await first.call('POST', `/v1/routers/${router}/helpers`, { protocol: 'tcp', port: 1, helper: 'ftp' });
      expect([refused.status, refused.body.error.code, refused.headers.get('retry-after')]).toEqual([503, 'store-unavailable', '1']);
      expect((await first.call('GET', '/readyz')).status).toBe(503);
      await cluster.launch();
    }
    const before = acknowledged.size;
    await eventually(() => acknowledged.size > before + 20, { timeoutMs: 30_000 });
    isWriting = false;
    await Promise.all(writers);
    expect([...statuses.keys()].filter((status) => ![201, 400, 503].includes(status))).toEqual([]);

    const { helpers } = (await second.call('GET', `/v1/routers/${router}/helpers`, undefined, { token: first.token })).body;
    const there = new Set(helpers.map(({ id }: { id: string }) => id));
    expect([...acknowledged].filter((id) => !there.has(id))).toEqual([]);
    expect((await first.call('GET', '/v1/quotas/p')).body.helpers.used).toBe(helpers.length);

    const chains = (await first.call('GET', '/v1/audit/chains')).body.chains;
    expect(chains).toHaveLength(2);
    for (const chain of chains) {
      const check = new ChainCheck({ ...chain, signed: null });
      for (let after = 0; after < chain.tail.seq; ) {
        const { entries } = (await first.call('GET', `/v1/audit?chain=${chain.chain}&after=${after}`)).body;
        for (const { request_id, project_id, ...entry } of entries) check.add({ ...entry, requestId: request_id, projectId: project_id });
        after = entries.at(-1).seq;
      }
      expect(check.finish()).toEqual([]);
    }
  });
});
