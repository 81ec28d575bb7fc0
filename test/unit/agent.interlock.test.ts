import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { judge } from '../../src/agent/interlock.ts';
import type { DesiredRouter } from '../../src/contract/desired-router.ts';
import { AgentHarness, INSTALLATION_A, INSTALLATION_B } from '../support/agent-harness.ts';
import { desiredHelper, desiredRouter } from '../support/arbitraries.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const HISTORY = { installation: INSTALLATION_A, epoch: 'e', position: 10 };

function routerOf(netns: string, count: number, revision = 1): DesiredRouter {
  const helpers = Array.from({ length: count }, (_, index) => desiredHelper('ftp', 'tcp', 21 + index));
  return { ...desiredRouter(helpers, { netns, name: netns }), revision };
}

describe('the interlock', () => {
  const before = { history: HISTORY, routers: [routerOf('a', 4, 5), routerOf('b', 4, 5)] };
  const [a, b] = before.routers as [DesiredRouter, DesiredRouter];
  const decide = (history: Partial<typeof HISTORY>, routers: readonly DesiredRouter[], limits = {}) =>
    judge(before, { history: { ...HISTORY, ...history }, routers, refused: [] }, { percent: 25, now: NOW, confirmed: null, ...limits });

  it.each([
    ['another epoch', { epoch: 'other' }, 'another epoch (other, before e)'],
    ['an older position', { position: 9 }, 'older than before (event 9, before 10)'],
  ])('holds a removal under %s', (_what, history, why) => {
    expect(decide(history, [a])).toMatchObject({ removed: 4, live: 8, reason: expect.stringContaining(why) });
    expect(decide(history, [a])?.reason).toContain('would remove 4 of 8 live helpers');
  });

  it('holds a removal under an older revision of a router', () => {
    expect(decide({}, [{ ...a, revision: 4 }])?.reason).toContain('router a is at revision 4, before 5');
  });

  it.each([
    ['deletes in the course of the same history', { position: 11 }, [], {}],
    ['what another installation says, whose tables are others', { installation: INSTALLATION_B, epoch: 'other' }, [], {}],
    ['another epoch that removes nothing', { epoch: 'other' }, [a, b], {}],
    ['the same helpers under other ids', { epoch: 'other' }, [routerOf('a', 4), routerOf('b', 4)], {}],
    ['a quarter of the helpers', { epoch: 'other' }, [a, { ...b, helpers: b.helpers.slice(2) }], {}],
    ['everything, where configuration says so', { epoch: 'other' }, [], { percent: 100 }],
  ])('does not hold %s', (_what, history, routers, limits) => {
    expect(decide(history, routers, limits)).toBeNull();
  });

  it('counts small numbers as they are: one of two is more than a quarter', () => {
    const two = { history: HISTORY, routers: [routerOf('a', 2)] };
    const one = { ...(two.routers[0] as DesiredRouter), helpers: two.routers[0]?.helpers.slice(1) ?? [] };
    const next = { history: { ...HISTORY, epoch: 'other' }, routers: [one], refused: [] };
    expect(judge(two, next, { percent: 25, now: NOW, confirmed: null })).toMatchObject({ removed: 1, live: 2 });
  });

  it('does not count helpers whose time is over, nor routers that cannot be read', () => {
    const expired = desiredRouter([desiredHelper('ftp', 'tcp', 21, { expiresAt: '2025-12-31T00:00:00Z' })], { netns: 'c' });
    const limits = { percent: 0, now: NOW, confirmed: null };
    const next = { history: { ...HISTORY, epoch: 'other' }, routers: [], refused: [] };
    expect(judge({ history: HISTORY, routers: [expired] }, next, limits)).toBeNull();
    expect(judge({ history: HISTORY, routers: [a] }, { ...next, refused: [{ id: a.id, reason: 'x' }] }, limits)).toBeNull();
  });

  it('lets the removal through that was confirmed, and no other', () => {
    const hold = decide({ epoch: 'other' }, [a]);
    expect(decide({ epoch: 'other' }, [a], { confirmed: hold?.id ?? '' })).toBeNull();
    expect(decide({ epoch: 'other' }, [], { confirmed: hold?.id ?? '' })).toMatchObject({ removed: 8 });
  });

  it('holds what an emptied cloud says of several routers that are here, and takes it of one, or of those that are gone', () => {
    const history = { installation: INSTALLATION_A, epoch: '', position: null };
    const here = [routerOf('qrouter-a', 1), routerOf('qrouter-b', 1)];
    const empty = here.map((router) => ({ ...router, helpers: [] }));
    const cloud = (routers: readonly DesiredRouter[]) =>
      judge({ history, routers: here }, { history, routers, refused: [] }, { percent: 25, now: NOW, confirmed: null });
    expect(cloud(empty)).toMatchObject({ removed: 2, live: 2 });
    expect(cloud([here[0] as DesiredRouter, empty[1] as DesiredRouter])).toBeNull();
    expect(cloud([])).toBeNull();
  });
});

describe('an agent that is told of an older or another database', () => {
  const open: AgentHarness[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((harness) => harness.close()));
  });

  /** An agent with two routers whose helpers are live, and whose server then has lost the second one. */
  async function restored(history = { ...HISTORY, position: 3 }) {
    const at = new AgentHarness();
    open.push(at);
    at.server.history = HISTORY;
    const [a, b] = ['a', 'b'].map((netns) => {
      at.kernel.addNamespace(netns);
      const router = desiredRouter([desiredHelper('ftp', 'tcp', 21)], { netns, name: netns });
      at.server.set(router);
      return router;
    }) as [DesiredRouter, DesiredRouter];
    await at.start();
    at.server.history = history;
    at.server.routers.delete(b.id);
    return { at, a, b };
  }

  const held = (at: AgentHarness) => at.agent.status().held;

  it('removes nothing, says why, and takes nothing of hints meanwhile', async () => {
    const { at, a, b } = await restored();
    at.server.connect();
    await at.clock.until(() => held(at) !== null);
    expect(held(at)).toMatchObject({ removed: 1, live: 2 });
    await at.clock.until(() => at.server.reports.get(a.id)?.reason.startsWith('held: ') === true);
    at.server.hint(b.id, a.id);
    await at.clock.advance(20_000);
    expect([at.types('a'), at.types('b')]).toEqual([['ftp'], ['ftp']]);
  });

  it('repairs what it has meanwhile, and goes on by itself once the server has the right database again', async () => {
    const { at, a, b } = await restored();
    at.server.connect();
    await at.clock.until(() => held(at) !== null);
    at.kernel.meddle('b', () => null);
    await at.clock.until(() => at.types('b').length === 1);
    at.server.set(b);
    at.server.history = HISTORY;
    at.server.hint(a.id);
    await at.clock.until(() => held(at) === null);
    await at.clock.until(() => at.server.reports.get(a.id)?.reason === '');
    expect([at.types('a'), at.types('b')]).toEqual([['ftp'], ['ftp']]);
  });

  it('removes what an operator confirms beside the state file, and nothing for another id', async () => {
    const { at } = await restored();
    at.server.connect();
    await at.clock.until(() => held(at) !== null);
    const file = join(at.directory, 'confirm');
    writeFileSync(file, 'another\n');
    await at.clock.advance(5_000);
    expect(at.types('b')).toEqual(['ftp']);
    writeFileSync(file, `${held(at)?.id}\n`);
    await at.clock.until(() => held(at) === null);
    await at.settled();
    expect([at.types('a'), at.kernel.table('b')]).toEqual([['ftp'], null]);
  });

  it('holds the first pull after a start too: the state file tells what was there', async () => {
    const { at, a } = await restored({ ...HISTORY, epoch: 'other' });
    await at.agent.close();
    at.agent = at.create();
    at.agent.start();
    at.server.connect();
    await at.clock.until(() => held(at) !== null);
    await at.clock.until(() => at.server.reports.get(a.id)?.helpers[0]?.families[0]?.reason.startsWith('held: ') === true);
    expect([at.types('a'), at.types('b')]).toEqual([['ftp'], ['ftp']]);
  });

  it('does not take single routers from it: a hint leads to a full pull', async () => {
    const { at, b } = await restored({ ...HISTORY, epoch: 'other' });
    at.server.hint(b.id);
    await at.clock.until(() => held(at) !== null);
    expect(at.types('b')).toEqual(['ftp']);
  });

  it('takes ordinary deletes at once, also all of them', async () => {
    const { at, a } = await restored({ ...HISTORY, position: 12 });
    at.server.routers.delete(a.id);
    at.server.connect();
    await at.clock.until(() => at.kernel.table('a') === null && at.kernel.table('b') === null);
    expect(held(at)).toBeNull();
  });
});
