import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Kysely, Migrator, SqliteDialect } from 'kysely';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { entryHash, genesis } from '../../src/contract/audit-chain.ts';
import type { ConntrackHelper } from '../../src/contract/helper.ts';
import type { HelperId, RouterId } from '../../src/contract/primitives.ts';
import type { Router } from '../../src/contract/router.ts';
import type { Store } from '../../src/store/interface.ts';
import { initial } from '../../src/store/migrations/0001-initial.ts';
import { openPostgres } from '../../src/store/postgres/store.ts';
import { openSqlite } from '../../src/store/sqlite/store.ts';
import { parseScope } from '../support/arbitraries.ts';
import { eventually } from '../support/eventually.ts';
import { realPorts } from '../support/ports.ts';
import { newDatabase } from '../support/postgres.ts';

const AT = '2026-01-01T00:00:00.000Z';

function router(fields: Partial<Router> = {}): Router {
  return {
    id: randomUUID() as RouterId,
    name: 'r',
    description: '',
    projectId: 'p',
    host: null,
    netns: null,
    revision: 1,
    confinement: null,
    labels: {},
    createdAt: AT,
    updatedAt: AT,
    ...fields,
  };
}

function helper(routerId: RouterId, port: number, fields: Partial<ConntrackHelper> = {}): ConntrackHelper {
  return {
    id: randomUUID() as HelperId,
    routerId,
    protocol: 'tcp',
    port,
    helper: 'ftp',
    scope: null,
    expiresAt: null,
    revision: 1,
    ...fields,
  };
}

/** Where a store's data is, and how to open it: again, or a second time as another server. */
interface Engine {
  open(chain?: string): Promise<Store>;
  /** Behind the store's back. */
  sql(text: string): Promise<void>;
  remove(): void;
}

const ENGINES: Readonly<Record<string, () => Promise<Engine>>> = {
  SQLite: async () => {
    const directory = mkdtempSync(join(tmpdir(), 'pht-store-'));
    return {
      open: (chain = 'one') => openSqlite(join(directory, 'pinhole.db'), { chain, ...realPorts }),
      sql: async (text) => {
        const database = new Database(join(directory, 'pinhole.db'));
        database.exec(text);
        database.close();
      },
      remove: () => rmSync(directory, { recursive: true }),
    };
  },
  PostgreSQL: async () => {
    const url = await newDatabase(inject('postgresUrl'));
    return {
      open: (chain = 'one') => openPostgres({ url, chain, connections: 2, ...realPorts }),
      sql: async (text) => {
        const client = new pg.Client({ connectionString: url });
        await client.connect();
        await client.query(text);
        await client.end();
      },
      remove: () => undefined,
    };
  },
};

describe('a database of the version before', () => {
  it('is migrated with its content, counts the usage of projects, and confines new routers no more than its old ones', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'pht-store-'));
    const path = join(directory, 'pinhole.db');
    const database = new Database(path);
    const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database }) });
    await new Migrator({ db, provider: { getMigrations: async () => ({ '0001-initial': initial('sqlite') }) } }).migrateToLatest();
    const routers = ['a', 'b'].map((id) => `('${id}', '${id}', 'p', 1, '${AT}', '${AT}')`);
    database.exec("insert into meta (key, value) values ('epoch', 'e')");
    database.exec(`insert into routers (id, name, project_id, revision, created_at, updated_at) values ${routers.join(', ')}`);
    const helpers = [1, 2, 3].map((port) => `('h${port}', 'a', 'tcp', ${port}, 'ftp', '', '${AT}')`);
    database.exec(`insert into conntrack_helpers (id, router_id, protocol, port, helper, scope, created_at) values ${helpers.join(', ')}`);
    database.exec(`insert into audit (at, request_id, actor, action, target, project_id) values ('${AT}', 'q', 'a', 'x', 'a', 'p')`);
    await db.destroy();
    const store = await openSqlite(path, { chain: 'one', ...realPorts });
    expect(await store.read.usage('p')).toMatchObject({ routers: 2, helpers: 3 });
    expect(await store.read.confinesNewRouters()).toBe(false);
    expect((await store.read.routerHelpers('a' as RouterId))?.helpers.map(({ revision }) => revision)).toEqual([1, 1, 1]);
    expect(await store.read.audit({ limit: 10 })).toMatchObject([{ action: 'x', seq: 0, hash: '' }]);
    await store.write(async (tx) =>
      tx.appendAudit({ at: AT, requestId: 'q', actor: 'a', action: 'y', target: 'a', projectId: 'p', before: null, after: null }),
    );
    expect(await store.read.audit({ chain: 'one', after: 0, limit: 10 })).toMatchObject([{ action: 'y', seq: 1 }]);
    await store.close();
    rmSync(directory, { recursive: true });
  });
});

/** Behaviour of every store. */
describe.each(Object.entries(ENGINES))('store: %s', (_name, makeEngine) => {
  let engine: Engine;
  let store: Store;
  beforeEach(async () => {
    engine = await makeEngine();
    store = await engine.open();
  });
  afterEach(async () => {
    await store.close();
    engine.remove();
  });

  it('confines new routers, because this version made it', async () => {
    expect(await store.read.confinesNewRouters()).toBe(true);
  });

  it('thousands of changes of one project delay a change of another by two commits at most', async () => {
    const order: string[] = [];
    const change = (project: string) =>
      store.write((tx) => tx.insertRouter(router({ projectId: project })), project).then(() => order.push(project));
    const many = Array.from({ length: 3_000 }, () => change('many'));
    await Promise.all([...many, change('one')]);
    expect(order.indexOf('one')).toBeLessThanOrEqual(2 * 256);
  });

  it('returns what was stored, also after it was closed and opened again', async () => {
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
    store = await engine.open();
    expect([await store.read.router(one.id), (await store.read.routerHelpers(one.id))?.helpers, await store.read.epoch()]).toEqual([
      one,
      [scoped],
      epoch,
    ]);
  });

  it('undoes a failed unit and no other, although units share a commit', async () => {
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

  it('keeps the other units of a batch if the database refuses a statement of one', async () => {
    const [before, after] = [router(), router()];
    const outcomes = await Promise.allSettled([
      store.write((tx) => tx.insertRouter(before)),
      // No bigint for PostgreSQL, which goes on with nothing of the transaction then; SQLite finds no such event.
      store.write(async (tx) => {
        // After the others have written.
        for (let step = 0; step < 5; step++) await tx.router(before.id);
        return tx.events(Number.MAX_VALUE, 1);
      }),
      store.write((tx) => tx.insertRouter(after)),
    ]);
    expect([outcomes[0]?.status, outcomes[2]?.status]).toEqual(['fulfilled', 'fulfilled']);
    expect([await store.read.router(before.id), await store.read.router(after.id)]).toEqual([before, after]);
  });

  it('hides uncommitted changes from readers', async () => {
    const one = router();
    let seen: Router | null | undefined;
    await store.write(async (tx) => {
      await tx.insertRouter(one);
      seen = await store.read.router(one.id);
      expect(await tx.router(one.id)).toEqual(one);
    });
    expect(seen).toBeNull();
  });

  it('keeps (router, protocol, port, helper, scope) unique', async () => {
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

  it('keeps (host, netns) unique, and allows any number of routers without a namespace', async () => {
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
    expect([await store.read.routerHelpers(one.id), await store.read.helpersOfMany([one.id]), await store.read.reports([one.id])]).toEqual([
      null,
      [],
      [],
    ]);
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
      for (let index = 0; index < 5; index++) tx.appendOutbox(`h${index}`, one.id, AT);
    });
    const items = await store.read.outbox(store.chain, 0, 10);
    expect(items.map(({ id }) => id)).toEqual([...items.map(({ id }) => id)].sort((a, b) => a - b));
    await store.write((tx) => tx.deleteOutbox(items[2]?.id as number));
    expect(await store.read.outbox(store.chain, 0, 10)).toHaveLength(2);
    expect(await store.read.outbox(store.chain, items[3]?.id as number, 10)).toHaveLength(1);
  });

  it('keeps one hint for all changes that a unit makes to a router, and one for each unit', async () => {
    const one = router();
    for (let unit = 0; unit < 2; unit++)
      await store.write(async (tx) => {
        for (let index = 0; index < 5; index++) tx.appendOutbox('h', one.id, AT);
      });
    expect(await store.read.outbox(store.chain, 0, 10)).toHaveLength(2);
  });

  it('uses a database of a newer version that is compatible, and refuses one that is not', async () => {
    await engine.sql("insert into kysely_migration (name, timestamp) values ('9999-of-the-future', '2030-01-01T00:00:00.000Z')");
    const again = await engine.open('two');
    expect(await again.read.epoch()).toBe(await store.read.epoch());
    await again.close();
    await engine.sql("update meta set value = '9999-of-the-future' where key = 'needs'");
    await expect(engine.open('three')).rejects.toMatchObject({
      code: 'store-unavailable',
      message: expect.stringMatching(
        /^The database is of a newer version \(9999-of-the-future\) than this server, which knows 0\d{3}-[a-z-]+\.$/,
      ),
    });
    await engine.sql("delete from kysely_migration where name = '9999-of-the-future'");
    await (await engine.open('three')).close();
  });

  it('lets exactly one server adopt each hint that another server left unsent', async () => {
    const one = router();
    const taken = { before: '2026-01-01T00:00:01.000Z', at: '2026-01-01T00:00:02.000Z', limit: 3 };
    await store.write(async (tx) => {
      await tx.insertRouter(one);
      for (let index = 0; index < 8; index++) tx.appendOutbox(`h${index}`, one.id, AT);
    });
    const others = await Promise.all(['two', 'three'].map((chain) => engine.open(chain)));
    expect([await store.read.hasForsakenOutbox('one', taken.before), await store.read.hasForsakenOutbox('two', AT)]).toEqual([
      false,
      false,
    ]);
    while (await store.read.hasForsakenOutbox('two', taken.before))
      await Promise.all(others.map((other) => other.write((tx) => tx.adoptOutbox(taken))));
    const adopted = await Promise.all(['two', 'three'].map((chain) => store.read.outbox(chain, 0, 100)));
    expect(
      adopted
        .flat()
        .map(({ host }) => host)
        .sort(),
    ).toEqual(Array.from({ length: 8 }, (_, index) => `h${index}`));
    expect(await store.read.outbox('one', 0, 100)).toEqual([]);
    for (const other of others) await other.close();
  });

  const entry = (target: string) => ({
    at: AT,
    requestId: 'q',
    actor: 'a',
    action: 'create_router',
    target,
    projectId: 'p',
    before: null,
    after: { x: 1 },
  });
  const event = (routerId: string) => ({ at: AT, kind: 'change' as const, projectId: 'p', routerId, requestId: 'q', data: { n: 1 } });

  it('commits a change, its audit entry and its event together or not at all', async () => {
    const one = router();
    await store.write(async (tx) => {
      await tx.insertRouter(one);
      tx.appendAudit(entry(one.id));
      tx.appendEvent(event(one.id));
    });
    await store
      .write(async (tx) => {
        tx.appendAudit(entry('never'));
        tx.appendEvent(event('never'));
        throw new Error('no');
      })
      .catch(() => undefined);
    const kept = await store.read.audit({ limit: 10 });
    expect(kept).toEqual([{ ...entry(one.id), after: '{"x":1}', id: expect.any(Number), chain: 'one', seq: 1, hash: expect.any(String) }]);
    expect(await store.read.events(0, 10)).toEqual([{ ...event(one.id), seq: 1 }]);
  });

  it('continues each server’s own audit chain after a restart', async () => {
    const other = await engine.open('two');
    for (const [who, target] of [
      [store, 'a'],
      [other, 'b'],
      [store, 'c'],
    ] as const)
      await who.write(async (tx) => tx.appendAudit(entry(target)));
    await store.close();
    store = await engine.open();
    await store.write(async (tx) => tx.appendAudit(entry('d')));
    await other.close();
    for (const [chain, targets] of [
      ['one', ['a', 'c', 'd']],
      ['two', ['b']],
    ] as const) {
      const rows = await store.read.audit({ chain, after: 0, limit: 10 });
      expect(rows.map(({ target }) => target)).toEqual(targets);
      rows.reduce((head, row) => {
        const hash = entryHash(head, row);
        expect(row).toMatchObject({ seq: head.seq + 1, hash });
        return { seq: row.seq, hash };
      }, genesis(chain));
    }
  });

  it('numbers events in the order of commits, without gaps, also with two servers', async () => {
    const other = await engine.open('two');
    const writes = Array.from({ length: 200 }, (_, index) =>
      (index % 2 ? store : other).write(async (tx) => {
        tx.appendEvent(event(String(index)));
        if (index % 7 === 0) throw new Error('undone');
      }),
    );
    await Promise.allSettled(writes);
    const events = await store.read.events(0, 1_000);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(new Set(events.map(({ routerId }) => routerId)).size).toBe(200 - Math.ceil(200 / 7));
    expect(await store.read.eventRange()).toEqual({ oldest: 1, newest: events.length });
    await other.close();
  });

  it('notifies listeners of committed events', async () => {
    let told = 0;
    store.onEvents(() => told++);
    await store.write(async (tx) => tx.appendEvent(event('x')));
    await eventually(() => told > 0);
  });

  it('counts the usage of projects exactly under concurrent writers of two servers', async () => {
    const other = await engine.open('two');
    const counts = Array.from({ length: 100 }, (_, index) =>
      (index % 2 ? store : other).write((tx) => tx.countUsage(`p${index % 3}`, { helpers: 1 })),
    );
    const seen = await Promise.all(counts);
    for (const project of ['p0', 'p1', 'p2']) {
      const mine = seen.filter(({ projectId }) => projectId === project).map(({ helpers }) => helpers);
      expect(mine.sort((a, b) => a - b)).toEqual(mine.map((_, index) => index + 1));
      expect((await store.read.usage(project)).helpers).toBe(mine.length);
    }
    await other.close();
  });

  it('keeps other units from a locked router, in whatever order units lock routers', async () => {
    const other = await engine.open('two');
    const [one, two] = [router(), router()];
    await store.write(async (tx) => {
      await tx.insertRouter(one);
      await tx.insertRouter(two);
    });
    const bumps = Array.from({ length: 60 }, (_, index) =>
      (index % 2 ? store : other).write(async (tx) => {
        for (const { id } of index % 4 < 2 ? [one, two] : [two, one]) {
          const locked = await tx.lockRouter(id);
          expect(await tx.bumpRevision(id, AT)).toBe((locked as Router).revision + 1);
        }
      }),
    );
    await Promise.all(bumps);
    for (const { id } of [one, two]) expect((await store.read.router(id))?.revision).toBe(61);
    await other.close();
  });

  it('deletes old audit entries and events; a chain then begins at its anchor', async () => {
    const at = (day: number) => `2026-01-0${day}T00:00:00.000Z`;
    for (const day of [1, 2, 3]) {
      await store.write(async (tx) => {
        tx.appendAudit({ ...entry(`d${day}`), at: at(day) });
        tx.appendEvent({ ...event(`d${day}`), at: at(day) });
      });
    }
    const all = await store.read.audit({ chain: 'one', after: 0, limit: 10 });
    expect(await store.write((tx) => tx.prune({ audit: at(3), events: at(2), idempotency: at(3) }, 100))).toBe(3);
    expect((await store.read.audit({ limit: 10 })).map(({ target }) => target)).toEqual(['d3']);
    const [chain] = await store.read.auditChains();
    expect(chain).toMatchObject({ anchor: { seq: 2, hash: all[1]?.hash }, tail: { seq: 3, hash: all[2]?.hash } });
    expect(await store.read.eventRange()).toEqual({ oldest: 2, newest: 3 });
    expect(await store.write((tx) => tx.prune({ audit: at(9), events: at(9), idempotency: at(9) }, 100))).toBe(3);
    await store.write(async (tx) => tx.appendAudit(entry('e')));
    expect(await store.read.audit({ chain: 'one', after: 0, limit: 10 })).toMatchObject([{ seq: 4, target: 'e' }]);
  });

  it('stores the answer to an idempotency key, for its actor only', async () => {
    const answer = { actor: 'a', key: 'k', digest: 'd', answer: [{ id: 'x' }] };
    await store.write((tx) => tx.saveIdempotentAnswer(answer, AT));
    expect(await store.read.idempotentAnswer('a', 'k')).toEqual(answer);
    expect(await store.read.idempotentAnswer('b', 'k')).toBeNull();
  });

  it('finds routers by filters, page by page in the order of ids', async () => {
    const made = [router({ name: 'x' }), router({ name: 'y', projectId: 'q' }), router({ name: 'x', host: 'h' })];
    await store.write(async (tx) => {
      for (const one of made) await tx.insertRouter(one);
    });
    const ids = async (filter: Parameters<Store['read']['routers']>[0]) => (await store.read.routers(filter)).map(({ id }) => id);
    const all = made.map(({ id }) => id).sort();
    expect(await ids({})).toEqual(all);
    expect(await ids({ limit: 2 })).toEqual(all.slice(0, 2));
    expect(await ids({ limit: 2, marker: all[0] as string })).toEqual(all.slice(1));
    expect(await ids({ names: ['x'] })).toEqual([made[0]?.id, made[2]?.id].sort());
    expect(await ids({ projectId: 'p', projects: ['p', 'q'], hosts: ['h'] })).toEqual([made[2]?.id]);
  });
});
