import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConntrackHelper, HelperId } from '../../src/model/conntrack-helper.ts';
import { parseScope } from '../../src/model/conntrack-helper.ts';
import type { Router, RouterId } from '../../src/model/router.ts';
import type { Store } from '../../src/store/interface.ts';
import { openSqlite } from '../../src/store/sqlite.ts';

const AT = '2026-01-01T00:00:00.000Z';

function router(fields: Partial<Router> = {}): Router {
  return {
    id: randomUUID() as RouterId,
    name: 'r',
    projectId: 'p',
    host: null,
    netns: null,
    revision: 1,
    confinement: null,
    createdAt: AT,
    updatedAt: AT,
    ...fields,
  };
}

function helper(routerId: RouterId, port: number, fields: Partial<ConntrackHelper> = {}): ConntrackHelper {
  return { id: randomUUID() as HelperId, routerId, protocol: 'tcp', port, helper: 'ftp', scope: null, expiresAt: null, ...fields };
}

/** Behaviour of every store; each engine is a row. */
describe.each([['SQLite', (directory: string) => openSqlite(join(directory, 'pinhole.db'))]] as const)('store: %s', (_engine, open) => {
  let directory: string;
  let store: Store;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'pht-store-'));
    store = await open(directory);
  });
  afterEach(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });

  it('gives back what it was given, also after it was closed and opened', async () => {
    const one = router({ host: 'h', netns: 'n', confinement: { blockedPorts: [22], ratePerSecond: 5 } });
    const scoped = helper(one.id, 21, {
      scope: parseScope({ source: '10.0.0.0/8', in_interface: 'eth0' }),
      expiresAt: '2030-01-01T00:00:00.000Z',
    });
    await store.write(async (tx) => {
      await tx.insertRouter(one);
      await tx.insertHelper(scoped, AT);
    });
    const epoch = await store.read.epoch();
    await store.close();
    store = await open(directory);
    expect([await store.read.router(one.id), await store.read.helpersOf(one.id), await store.read.epoch()]).toEqual([one, [scoped], epoch]);
  });

  it('undoes a unit that fails, and only that, although units share a commit', async () => {
    const [good, bad, late] = [router(), router(), router()];
    const outcomes = await Promise.allSettled([
      store.write((tx) => tx.insertRouter(good)),
      store.write(async (tx) => {
        await tx.insertRouter(bad);
        throw new Error('changed my mind');
      }),
      store.write((tx) => tx.insertRouter(late)),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect([await store.read.router(good.id), await store.read.router(bad.id), await store.read.router(late.id)]).toEqual([
      good,
      null,
      late,
    ]);
  });

  it('lets nobody read what is not committed', async () => {
    const one = router();
    let seen: Router | null | undefined;
    await store.write(async (tx) => {
      await tx.insertRouter(one);
      seen = await store.read.router(one.id);
      expect(await tx.router(one.id)).toEqual(one);
    });
    expect(seen).toBeNull();
  });

  it('holds (router, protocol, port, helper, scope) unique', async () => {
    const one = router();
    const add = (item: ConntrackHelper) => store.write((tx) => tx.insertHelper(item, AT));
    await store.write((tx) => tx.insertRouter(one));
    const first = helper(one.id, 21);
    expect(await add(first)).toBe(true);
    expect(await add(helper(one.id, 21))).toBe(false);
    expect(await add(helper(one.id, 21, { scope: parseScope({ source: '10.0.0.0/8' }) }))).toBe(true);
    expect(await add(helper(one.id, 21, { scope: parseScope({ source: '10.0.0.0/8' }) }))).toBe(false);
    const other = helper(one.id, 22);
    await add(other);
    expect(await store.write((tx) => tx.updateHelper({ ...other, port: 21 }))).toBe(false);
    expect((await store.read.helper(other.id))?.port).toBe(22);
  });

  it('holds (host, netns) unique, and lets any number of routers have none', async () => {
    await store.write(async (tx) => {
      for (const one of [router(), router(), router({ host: 'h', netns: 'n' }), router({ host: 'g', netns: 'n' })])
        await tx.insertRouter(one);
    });
    await expect(store.write((tx) => tx.insertRouter(router({ host: 'h', netns: 'n' })))).rejects.toMatchObject({ code: 'netns-in-use' });
  });

  it('deletes a router’s helpers and status with it', async () => {
    const one = router();
    await store.write(async (tx) => {
      await tx.insertRouter(one);
      await tx.insertHelper(helper(one.id, 21), AT);
      await tx.saveReport({ routerId: one.id, host: 'h', revision: 1, reason: '', drifts: 0, helpers: [], reportedAt: AT });
    });
    await store.write((tx) => tx.deleteRouter(one.id));
    expect([await store.read.helpersOf(one.id), await store.read.reports([one.id])]).toEqual([[], []]);
    await store.write((tx) =>
      tx.saveReport({ routerId: one.id, host: 'h', revision: 1, reason: '', drifts: 0, helpers: [], reportedAt: AT }),
    );
    expect(await store.read.reports([one.id])).toEqual([]);
  });

  it('counts every revision under concurrent writers', async () => {
    const one = router();
    await store.write((tx) => tx.insertRouter(one));
    const revisions = await Promise.all(Array.from({ length: 300 }, () => store.write((tx) => tx.bumpRevision(one.id, AT))));
    expect([...revisions].sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, index) => index + 2));
  });

  it('keeps the outbox in order until it is deleted', async () => {
    const one = router();
    await store.write(async (tx) => {
      await tx.insertRouter(one);
      for (let index = 0; index < 5; index++) await tx.appendOutbox('h', one.id, AT);
    });
    const items = await store.read.outbox(0, 10);
    expect(items.map(({ id }) => id)).toEqual([...items.map(({ id }) => id)].sort((a, b) => a - b));
    await store.write((tx) => tx.deleteOutbox(items[2]?.id as number));
    expect(await store.read.outbox(0, 10)).toHaveLength(2);
    expect(await store.read.outbox(items[3]?.id as number, 10)).toHaveLength(1);
  });

  it('says a change and its audit row together, or neither', async () => {
    const one = router();
    const entry = {
      at: AT,
      requestId: 'q',
      actor: 'a',
      action: 'create_router',
      target: one.id,
      projectId: 'p',
      before: null,
      after: { x: 1 },
    };
    await store.write(async (tx) => {
      await tx.insertRouter(one);
      await tx.appendAudit(entry);
    });
    await store
      .write(async (tx) => {
        await tx.appendAudit({ ...entry, action: 'never' });
        throw new Error('no');
      })
      .catch(() => undefined);
    expect(await store.read.audit(10)).toEqual([{ id: 1, ...entry }]);
  });
});
