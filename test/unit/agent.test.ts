import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { DesiredRouter } from '../../src/contract/desired-router.ts';
import type { DesiredHelper } from '../../src/contract/helper.ts';
import { FakeKernel } from '../../src/kernel/fake/fake-kernel.ts';
import { NEUTRON_DEFAULT_PAIRS } from '../../src/model/catalogue.ts';
import { PinholeError } from '../../src/model/errors.ts';
import { AgentHarness } from '../support/agent-harness.ts';
import { desiredHelper, desiredRouter, parseScope } from '../support/arbitraries.ts';
import { eventually } from '../support/eventually.ts';

const FTP = () => desiredHelper('ftp', 'tcp', 21);
const TFTP = () => desiredHelper('tftp', 'udp', 69);

describe('agent', () => {
  const open: AgentHarness[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((harness) => harness.close()));
  });

  function harness(...options: ConstructorParameters<typeof AgentHarness>): AgentHarness {
    const made = new AgentHarness(...options);
    open.push(made);
    return made;
  }

  /** A router in a namespace of its own, declared. */
  function declare(at: AgentHarness, netns: string, ...helpers: DesiredHelper[]): DesiredRouter {
    const router = desiredRouter(helpers, { netns, name: netns });
    at.server.set(router);
    return router;
  }

  function change(at: AgentHarness, router: DesiredRouter, ...helpers: DesiredHelper[]): DesiredRouter {
    const changed = { ...router, helpers, revision: router.revision + 1 };
    at.server.set(changed);
    return changed;
  }

  it('applies a full pull and reports the result', async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    const router = declare(at, 'a', FTP());
    await at.start();
    expect(at.types('a')).toEqual(['ftp']);
    await at.clock.until(() => at.server.reports.size === 1);
    expect(at.server.reports.get(router.id)).toMatchObject({
      revision: 1,
      reason: '',
      helpers: [{ families: [{ status: 'ACTIVE' }, { status: 'ACTIVE' }] }],
    });
  });

  it('writes nothing before the first full pull', async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    const router = declare(at, 'a', FTP());
    at.server.isUp = false;
    at.agent.start();
    at.server.hint(router.id);
    at.kernel.emit({ event: 'namespace', netns: 'a', present: true });
    await at.clock.advance(60_000);
    expect([at.kernel.counts.applies, at.agent.unreadiness]).toEqual([0, 'nothing was pulled from the server yet']);
    at.server.connect();
    await at.settled();
    expect(at.types('a')).toEqual(['ftp']);
  });

  it('writes nothing when a router that has not changed is synced again', async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    const router = declare(at, 'a', FTP());
    await at.start();
    const { applies, reads } = at.kernel.counts;
    for (let round = 0; round < 5; round++) {
      at.server.hint(router.id);
      await at.settled();
    }
    expect(at.kernel.counts).toMatchObject({ applies, reads });
  });

  it('changes nothing at a restart if observed equals desired', async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    declare(at, 'a', FTP());
    await at.start();
    const { generation } = ((await at.kernel.observe([{ netns: 'a', known: null }]))[0] as { value: { generation: number } }).value;
    await at.agent.close();
    at.agent = at.create();
    await at.start();
    expect(((await at.kernel.observe([{ netns: 'a', known: null }]))[0] as { value: { generation: number } }).value.generation).toBe(
      generation,
    );
  });

  it('takes a hint only as a hint: its content never reaches the kernel', async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    const router = declare(at, 'a', FTP());
    await at.start();
    const forged = { protocol: 'tcp', port: 6667, helper: 'irc', router_id: router.id, id: 'x' };
    at.server.push({ resource_list: [{ 'versioned_object.data': forged }], event_type: 'created' });
    await at.settled();
    expect(at.types('a')).toEqual(['ftp']);
  });

  it('seed 000 CWE-697: an unknown event is an error and not ignored', async () => {
    const at = harness();
    await at.start();
    await expect(async () => at.server.push({ resource_list: [] }, 'exploded')).rejects.toMatchObject({ code: 'invalid-message' });
    await expect(async () => at.server.push({ wrong: 1 })).rejects.toMatchObject({
      code: 'invalid-message',
      details: { field: 'resource_list' },
    });
  });

  it.each([0, 1, 2])(
    'seed 000 CWE-691: an unknown router at place %i of a batch does not keep the others from being synced',
    async (place) => {
      const at = harness();
      const routers = ['a', 'b'].map((netns) => {
        at.kernel.addNamespace(netns);
        return declare(at, netns, FTP());
      });
      await at.start();
      for (const router of routers) change(at, router, FTP(), TFTP());
      const ids: string[] = routers.map(({ id }) => id);
      ids.splice(place, 0, '00000000-0000-4000-8000-ffffffffffff');
      at.server.hint(...ids);
      await at.settled();
      expect(['a', 'b'].map((netns) => at.types(netns))).toEqual([
        ['ftp', 'tftp'],
        ['ftp', 'tftp'],
      ]);
    },
  );

  it('seed 001 no. 1: a notification of any size causes at most one full pull', async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    declare(at, 'a', FTP());
    await at.start();
    const before = at.server.pulls.length;
    at.server.push({
      resource_list: Array.from({ length: 200_000 }, () => ({
        'versioned_object.data': { router_id: '00000000-0000-4000-8000-ffffffffffff' },
      })),
    });
    await at.settled();
    expect(at.server.pulls.slice(before)).toEqual(['all']);
  });

  it('seed 000 CWE-703: a failing router neither stops nor delays another, and is tried again', async () => {
    const at = harness();
    for (const netns of ['a', 'b']) at.kernel.addNamespace(netns);
    const [a] = [declare(at, 'a', FTP()), declare(at, 'b', FTP())];
    let failures = 3;
    at.kernel.beforeApply = ({ netns }) => {
      if (netns === 'a' && failures-- > 0) throw new PinholeError('kernel-refused', 'no', { details: { errno: 16 } });
    };
    at.agent.start();
    at.server.connect();
    await at.clock.until(() => at.types('b').length === 1);
    await at.clock.until(() => at.server.reports.get(a.id)?.helpers[0]?.families[0]?.status === 'ERROR');
    await at.settled();
    expect(at.types('a')).toEqual(['ftp']);
    await at.clock.until(() => at.server.reports.get(a.id)?.helpers[0]?.families[0]?.status === 'ACTIVE');
  });

  it('a helper that the kernel refuses does not stop the router’s other helpers', async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    const router = declare(at, 'a', FTP(), desiredHelper('irc', 'tcp', 6667));
    at.kernel.beforeApply = ({ table }) => {
      const irc = table?.objects.find(({ type }) => type === 'irc');
      if (irc) throw new PinholeError('kernel-refused', 'ct helper irc-tcp: ENOENT', { details: { errno: 2, field: irc.name } });
    };
    await at.start();
    expect(at.types('a')).toEqual(['ftp']);
    await at.clock.until(() => at.server.reports.get(router.id)?.reason === '');
    const statuses = at.server.reports.get(router.id)?.helpers.map(({ families }) => families.map(({ status }) => status));
    expect(statuses).toEqual([['ACTIVE', 'ACTIVE'], ['ERROR']]);
  });

  it("accepts all of Neutron's twelve default pairs at once: eleven work, amanda/tcp is an error with a reason", async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    const router = declare(at, 'a', ...NEUTRON_DEFAULT_PAIRS.map(({ helper, protocol, port }) => desiredHelper(helper, protocol, port)));
    await at.start();
    await at.clock.until(() => at.server.reports.size === 1);
    const broken = at.server.reports.get(router.id)?.helpers.filter(({ families }) => families.some(({ status }) => status !== 'ACTIVE'));
    expect(broken?.map(({ families }) => families[0])).toEqual([
      { family: 'ipv4', status: 'ERROR', reason: 'no kernel has the helper amanda for tcp', verifiedAt: null },
    ]);
    expect(at.types('a')).toHaveLength(11);
  });

  it('seed 000 CWE-664: removes the table with the last helper, and with the router', async () => {
    const at = harness();
    for (const netns of ['a', 'b']) at.kernel.addNamespace(netns);
    const [a, b] = [declare(at, 'a', FTP()), declare(at, 'b', FTP())];
    await at.start();
    change(at, a);
    at.server.routers.delete(b.id);
    at.server.hint(a.id, b.id);
    await at.settled();
    expect([at.kernel.table('a'), at.kernel.table('b')]).toEqual([null, null]);
  });

  it('removes its own tables of routers that were deleted while the agent was away, and no other program’s', async () => {
    const at = harness();
    for (const netns of ['a', 'b', 'c']) at.kernel.addNamespace(netns);
    declare(at, 'a', FTP());
    const b = declare(at, 'b', FTP());
    await at.start();
    await at.agent.close();
    at.server.routers.delete(b.id);
    at.kernel.meddle('c', () => ({ comment: 'another program', objects: [], chains: [] }));
    at.agent = at.create();
    await at.start();
    await at.settled();
    expect([at.types('a'), at.kernel.table('b'), at.kernel.table('c')?.comment]).toEqual([['ftp'], null, 'another program']);
  });

  it('does not touch namespaces without a router, and never removes a table without Pinhole’s stamp', async () => {
    const at = harness();
    const theirs = { comment: 'another program', objects: [], chains: [] };
    at.kernel.addNamespace('a');
    at.kernel.meddle('a', () => theirs);
    const router = declare(at, 'a');
    await at.start();
    const { observe } = at.kernel.counts;
    at.kernel.addNamespace('b');
    await at.settled();
    expect([at.kernel.counts.observe, at.kernel.table('a')]).toEqual([observe, theirs]);
    at.server.routers.delete(router.id);
    at.server.hint(router.id);
    await at.settled();
    expect(at.kernel.table('a')).toEqual(theirs);
  });

  it('removes a deleted helper from live connections, and leaves connections with other helpers alone', async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    const router = declare(at, 'a', FTP(), TFTP());
    await at.start();
    at.kernel
      .connections('a')
      .push(
        { protocol: 'tcp', port: 21, type: 'ftp' },
        { protocol: 'udp', port: 69, type: 'tftp' },
        { protocol: 'tcp', port: 2121, type: 'ftp' },
      );
    change(at, router, TFTP());
    at.server.hint(router.id);
    await at.settled();
    await at.clock.until(() => at.agent.counts.stripped === 1);
    expect(at.kernel.connections('a').map(({ type }) => type)).toEqual([null, 'tftp', 'ftp']);
  });

  it('narrows a scope: only connections outside of the new scope lose the helper; widens it: none does', async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    const scoped = (source: string) => ({ ...FTP(), scope: parseScope({ source }) });
    const router = declare(at, 'a', FTP(), TFTP());
    await at.start();
    const connection = (source: string) => ({ protocol: 'tcp', port: 21, source, type: 'ftp' }) as const;
    at.kernel.connections('a').push(connection('10.1.0.1'), connection('10.2.0.1'), { protocol: 'udp', port: 69, type: 'tftp' });
    const types = () => at.kernel.connections('a').map(({ type }) => type);
    change(at, router, scoped('10.1.0.0/16'), TFTP());
    at.server.hint(router.id);
    await at.settled();
    await at.clock.until(() => at.agent.counts.stripped === 1);
    expect(types()).toEqual(['ftp', null, 'tftp']);
    change(at, router, FTP(), TFTP());
    at.server.hint(router.id);
    await at.settled();
    expect([types(), at.agent.counts.stripped]).toEqual([['ftp', null, 'tftp'], 1]);
  });

  it('leaves the helper on live connections with keepLive', async () => {
    const at = harness({ keepLive: true });
    at.kernel.addNamespace('a');
    const router = declare(at, 'a', FTP());
    await at.start();
    at.kernel.connections('a').push({ protocol: 'tcp', port: 21, type: 'ftp' });
    change(at, router);
    at.server.hint(router.id);
    await at.settled();
    expect(at.kernel.connections('a')[0]?.type).toBe('ftp');
  });

  it('repairs drift on the kernel’s own event', async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    const router = declare(at, 'a', FTP());
    await at.start();
    at.kernel.meddle('a', () => null);
    await at.clock.until(() => at.types('a').length === 1);
    await at.clock.until(() => at.server.reports.get(router.id)?.drifts === 1);
  });

  it('repairs drift by its timer if the event is lost', async () => {
    const at = harness({ resyncSeconds: 60 });
    at.kernel.addNamespace('a');
    declare(at, 'a', FTP());
    await at.start();
    at.kernel.meddleUnseen('a', () => null);
    await at.clock.advance(44_000);
    expect(at.types('a')).toEqual([]);
    await at.clock.advance(31_000);
    expect(at.types('a')).toEqual(['ftp']);
  });

  it('stops repairing for a while when another program keeps changing the table', async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    const router = declare(at, 'a', FTP());
    await at.start();
    await at.clock.until(() => at.server.reports.get(router.id)?.reason === '');
    for (let round = 0; round < 100 && at.server.reports.get(router.id)?.reason === ''; round++) {
      at.kernel.meddle('a', () => null);
      await at.clock.advance(10);
    }
    expect(at.server.reports.get(router.id)?.reason).toContain('another program keeps changing');
    const { applies } = at.kernel.counts;
    for (let round = 0; round < 100; round++) {
      at.kernel.meddle('a', (table) => table, ['still fighting']);
      await at.clock.advance(10);
    }
    expect(at.kernel.counts.applies).toBe(applies);
    const { waiting } = at.clock;
    await at.clock.advance(28_000);
    expect(at.kernel.counts.applies).toBe(applies);
    await at.clock.advance(1_000);
    expect([at.kernel.counts.applies, at.types('a'), at.clock.waiting]).toEqual([applies + 1, ['ftp'], waiting - 1]);
  });

  it('waits for a missing namespace, and serves it when it is created and when it is created again', async () => {
    const at = harness();
    const router = declare(at, 'a', FTP());
    await at.start();
    await at.clock.until(() => at.server.reports.get(router.id)?.reason === 'network namespace a is not here');
    at.kernel.addNamespace('a');
    await at.clock.until(() => at.types('a').length === 1);
    at.kernel.removeNamespace('a');
    at.kernel.addNamespace('a');
    await at.clock.until(() => at.types('a').length === 1);
    await at.clock.until(() => at.server.reports.get(router.id)?.reason === '');
  });

  it('moves a router’s table when its namespace changes', async () => {
    const at = harness();
    for (const netns of ['a', 'b']) at.kernel.addNamespace(netns);
    const router = declare(at, 'a', FTP());
    await at.start();
    at.server.set({ ...router, netns: 'b', revision: 2 });
    at.server.hint(router.id);
    await at.settled();
    expect([at.kernel.table('a'), at.types('b')]).toEqual([null, ['ftp']]);
  });

  it('removes an expired helper by itself, also while the server cannot be reached', async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    declare(at, 'a', desiredHelper('ftp', 'tcp', 21, { expiresAt: at.clock.in(150_000) }), TFTP());
    await at.start();
    expect(at.types('a')).toEqual(['ftp', 'tftp']);
    at.server.isUp = false;
    await at.clock.advance(149_000);
    expect(at.types('a')).toEqual(['ftp', 'tftp']);
    await at.clock.advance(1_000);
    expect(at.types('a')).toEqual(['tftp']);
  });

  it('applies the saved state only when the first pull times out, shows it as STALE, and never an expired helper', async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    const router = declare(at, 'a', FTP(), desiredHelper('sip', 'udp', 5060, { expiresAt: at.clock.in(100_000) }));
    await at.start();
    await at.agent.close();
    at.kernel.meddle('a', () => null);
    at.server.isUp = false;
    at.server.reports.clear();
    await at.clock.advance(120_000);
    at.agent = at.create({ firstPullSeconds: 5 });
    at.agent.start();
    await at.clock.advance(4_999);
    expect(at.types('a')).toEqual([]);
    await at.clock.advance(1);
    await eventually(() => at.types('a').length > 0, { what: 'the state is read from disk' });
    expect(at.types('a')).toEqual(['ftp']);
    at.server.isUp = true;
    await at.clock.until(() => at.server.reports.get(router.id)?.helpers[0]?.families[0]?.status === 'STALE');
    at.server.connect();
    await at.clock.until(() => at.server.reports.get(router.id)?.helpers[0]?.families[0]?.status === 'ACTIVE');
  });

  it('does not apply a saved state that is too old or malformed', async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    declare(at, 'a', FTP());
    await at.start();
    await at.agent.close();
    at.kernel.meddle('a', () => null);
    at.server.isUp = false;
    await at.clock.advance(11_000);
    const told: string[] = [];
    const tell = (_fields: object, text: string) => void told.push(text);
    const logger = { ...at.ports.logger, warn: tell, error: tell };
    const startCutOff = async (maxStateAgeSeconds: number) => {
      at.agent = at.create({ firstPullSeconds: 1, maxStateAgeSeconds, logger });
      at.agent.start();
      await at.clock.advance(1_000);
      await eventually(() => told.length === 1, { what: 'the file is read' });
      await at.clock.advance(10_000);
      await at.agent.close();
      expect(at.kernel.table('a')).toBeNull();
      return told.splice(0);
    };
    expect(await startCutOff(10)).toEqual(['the saved state is too old to be applied']);
    writeFileSync(at.statePath, '{"routers":[{"netns":"../x"}]}');
    expect(await startCutOff(3_600)).toEqual(['the saved state cannot be used']);
  });

  it('loses no change that arrives during a sync of the same router', async () => {
    const at = harness();
    at.kernel.addNamespace('a');
    let router = declare(at, 'a');
    await at.start();
    for (let port = 1; port <= 60; port++) {
      router = change(at, router, ...Array.from({ length: port }, (_, index) => desiredHelper('ftp', 'tcp', index + 1)));
      at.server.hint(router.id);
      if (port % 7 === 0) await at.clock.advance(1);
    }
    await at.settled();
    const entries = at.kernel.table('a')?.chains[0]?.rules[0]?.action;
    expect(entries?.kind === 'map-helper' && entries.entries.length).toBe(60);
  });

  it('does not interrupt another writer: a locked namespace is an error of its router', async () => {
    const kernel = new FakeKernel();
    const at = harness({ kernel });
    for (const netns of ['a', 'b']) kernel.addNamespace(netns);
    kernel.lockByOther('a', true);
    const [a] = [declare(at, 'a', FTP()), declare(at, 'b', FTP())];
    at.agent.start();
    at.server.connect();
    await at.clock.until(() => at.types('b').length === 1);
    await at.clock.until(() => at.server.reports.get(a.id)?.reason.includes('another Pinhole writes') === true);
    kernel.lockByOther('a', false);
    await at.settled();
    expect(at.types('a')).toEqual(['ftp']);
  });
});
