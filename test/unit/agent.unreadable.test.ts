import { afterEach, describe, expect, it } from 'vitest';
import { AgentHarness } from '../support/agent-harness.ts';
import { desiredHelper, desiredRouter } from '../support/arbitraries.ts';

/** An answer to a pull, as it travels. */
interface Answer {
  readonly routers: (Record<string, unknown> & { readonly id: string; readonly helpers: Record<string, unknown>[] })[];
}

describe('what an agent cannot read of its server’s description', () => {
  const at = new AgentHarness();
  const mine = desiredRouter([desiredHelper('ftp', 'tcp', 21), desiredHelper('tftp', 'udp', 69)], { netns: 'mine' });
  const other = desiredRouter([desiredHelper('sip', 'udp', 5060)], { netns: 'other' });

  afterEach(() => at.close());

  /** From now on each answer about `mine` is changed on its way. */
  function garble(change: (router: Answer['routers'][number]) => object): void {
    at.server.edit = (answer) => ({
      ...(answer as Answer),
      routers: (answer as Answer).routers.map((router) => (router.id === mine.id ? change(router) : router)),
    });
  }

  it('affects its own helper, or else its own router, and never another; a router’s live table stays', async () => {
    for (const netns of ['mine', 'other']) at.kernel.addNamespace(netns);
    at.server.set(mine, other);
    const [ftp, tftp] = mine.helpers;
    garble((router) => ({
      ...router,
      helpers: router.helpers.map((helper) => (helper['id'] === tftp?.id ? { ...helper, expires_at: '+010000-01-01T00:00:00Z' } : helper)),
    }));
    await at.start();
    await at.clock.until(() => at.server.reports.size === 2);
    expect([at.types('mine'), at.types('other')]).toEqual([['ftp'], ['sip']]);
    const report = at.server.reports.get(mine.id);
    expect(report?.helpers.find(({ helperId }) => helperId === ftp?.id)?.families[0]?.status).toBe('ACTIVE');
    expect(report?.helpers.find(({ helperId }) => helperId === tftp?.id)?.families).toMatchObject([
      { family: 'ipv4', status: 'ERROR', reason: expect.stringContaining('expires_at: expected a time') },
      { family: 'ipv6', status: 'ERROR' },
    ]);

    garble((router) => ({ ...router, name: '😀'.repeat(200) }));
    at.server.set({ ...mine, revision: 2 }, { ...other, revision: 2, helpers: [desiredHelper('irc', 'tcp', 6667)] });
    at.server.hint(mine.id, other.id);
    await at.settled();
    await at.clock.until(() => at.server.reports.get(mine.id)?.reason !== '');
    expect([at.types('mine'), at.types('other')]).toEqual([['ftp'], ['irc']]);
    expect(at.server.reports.get(mine.id)).toMatchObject({
      reason: expect.stringContaining('name: expected a name, of at most 255 bytes'),
      helpers: [{ families: [{ status: 'ERROR' }, { status: 'ERROR' }] }, { families: [{ status: 'ERROR' }, { status: 'ERROR' }] }],
    });

    at.server.edit = (answer) => answer;
    at.server.hint(mine.id);
    await at.settled();
    await at.clock.until(() => at.server.reports.get(mine.id)?.reason === '');
    expect(at.types('mine')).toEqual(['ftp', 'tftp']);
  });
});
