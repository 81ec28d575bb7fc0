import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { NeutronClient } from '../../src/agent/neutron-client.ts';
import type { Arguments, Bus, Handler } from '../../src/bus/interface.ts';
import { type Confinement, DEFAULT_CONFINEMENT } from '../../src/contract/confinement.ts';
import { FakeKernel } from '../../src/kernel/fake/fake-kernel.ts';
import { PinholeError } from '../../src/model/errors.ts';
import { CHAINS } from '../../src/model/layout.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { HELPER_TOPIC, METHODS, REPORTS_TOPIC, SERVER_TOPIC } from '../../src/wire/topics.ts';
import { AgentHarness, INSTALLATION_A } from '../support/agent-harness.ts';
import { TestClock } from '../support/test-clock.ts';

interface NeutronHelper {
  readonly id: string;
  readonly router_id: string;
  readonly protocol: unknown;
  readonly port: unknown;
  readonly helper: unknown;
}

/** neutron-server as an agent sees it over the bus. */
class FakeNeutron implements Bus {
  readonly refused = 0;
  readonly helpers: NeutronHelper[] = [];
  /** Routers that each bulk_pull asked for. */
  readonly pulls: string[][] = [];
  readonly states: Arguments[] = [];
  failures = 0;
  #push: Handler | null = null;
  #onLink: ((up: boolean) => void) | null = null;

  add(router: string, helper: unknown, protocol: unknown, port: unknown): NeutronHelper {
    const made = { id: randomUUID(), router_id: router, protocol, port, helper };
    this.helpers.push(made);
    return made;
  }

  push(...routers: unknown[]): unknown {
    const resource_list = routers.map((router_id) => ({
      'versioned_object.data': { router_id, protocol: 'tcp', port: 1, helper: 'pptp' },
    }));
    return this.#push?.(METHODS.push, { resource_list, event_type: 'created' }, { user: null });
  }

  connect(): void {
    this.#onLink?.(true);
  }

  async cast(): Promise<void> {}

  async call(topic: string, method: string, args: Arguments): Promise<unknown> {
    if (this.failures > 0) {
      this.failures--;
      throw new PinholeError('remote-failure', 'DBConnectionError: gone');
    }
    if (topic === REPORTS_TOPIC && method === METHODS.reportState) {
      this.states.push(args);
      return 'new';
    }
    expect([topic, method]).toEqual([SERVER_TOPIC, METHODS.bulkPull]);
    const { resource_type, version, filter_kwargs } = args as {
      resource_type: string;
      version: string;
      filter_kwargs: { router_id: string[] };
    };
    expect([resource_type, version]).toEqual(['ConntrackHelper', '1.0']);
    this.pulls.push(filter_kwargs.router_id);
    return this.helpers
      .filter(({ router_id }) => filter_kwargs.router_id.includes(router_id))
      .map((data) => ({ 'versioned_object.data': data }));
  }

  serve(topic: string, handler: Handler, options?: { fanout: boolean }): void {
    expect([topic, options]).toEqual([HELPER_TOPIC, { fanout: true }]);
    this.#push = handler;
  }

  onLink(listener: (up: boolean) => void): void {
    this.#onLink = listener;
  }

  async close(): Promise<void> {}
}

describe('an agent beside Neutron’s L3 agent', () => {
  let harness: AgentHarness | null = null;
  afterEach(() => harness?.close());

  const [a, b, c] = Array.from({ length: 3 }, () => randomUUID()) as [string, string, string];
  const types = (kernel: FakeKernel, netns: string) => (kernel.table(netns)?.objects ?? []).map(({ type }) => type).sort();

  async function started(prepare: (neutron: FakeNeutron, kernel: FakeKernel) => void, confinement: Confinement | null = null) {
    const [neutron, kernel] = [new FakeNeutron(), new FakeKernel()];
    prepare(neutron, kernel);
    const namespaces = async () => (await kernel.namespaces()).map(({ netns }) => netns);
    const clock = new TestClock();
    const installation = INSTALLATION_A;
    const source = new NeutronClient({ bus: neutron, host: 'h', installation, confinement, namespaces, logger: silentLogger, clock });
    harness = new AgentHarness({ kernel, source });
    harness.agent.start();
    neutron.connect();
    await settled();
    return { neutron, kernel };
  }

  const settled = () => (harness as AgentHarness).settled();
  const until = (condition: () => boolean) => (harness as AgentHarness).clock.until(condition);

  it('asks once for all routers with namespaces on this host, and serves each in the namespace that does its NAT', async () => {
    const { neutron, kernel } = await started((neutron, kernel) => {
      for (const netns of [`qrouter-${a}`, `qrouter-${b}`, `snat-${b}`, 'qdhcp-x', 'other']) kernel.addNamespace(netns);
      neutron.add(a, 'ftp', 'tcp', 21);
      neutron.add(b, 'tftp', 'udp', 69);
      neutron.add(c, 'sip', 'udp', 5060);
    });
    expect(neutron.pulls.map((ids) => ids.sort())).toEqual([[a, b].sort()]);
    expect([`qrouter-${a}`, `qrouter-${b}`, `snat-${b}`].map((netns) => types(kernel, netns))).toEqual([['ftp'], ['tftp'], ['tftp']]);
    expect(kernel.table('other')).toBeNull();
  });

  it.each([
    ['as the configuration says', DEFAULT_CONFINEMENT],
    ['not at all by default', null],
  ])('confines its routers %s', async (_how, confinement) => {
    const { kernel } = await started((neutron, kernel) => {
      kernel.addNamespace(`qrouter-${a}`);
      neutron.add(a, 'ftp', 'tcp', 21);
    }, confinement);
    const chains = (kernel.table(`qrouter-${a}`)?.chains ?? []).map(({ name }) => name);
    expect(chains.includes(CHAINS.assign)).toBe(true);
    expect(chains.includes('data-tcp')).toBe(confinement !== null);
  });

  it.each([
    ['first', (unknown: string) => [unknown, a, b]],
    ['in the middle', (unknown: string) => [a, unknown, b]],
    ['last', (unknown: string) => [a, b, unknown]],
  ])('seed 000 CWE-691: a push with an unknown router %s: all known ones are applied', async (_where, order) => {
    const { neutron, kernel } = await started((_, kernel) => {
      for (const router of [a, b]) kernel.addNamespace(`qrouter-${router}`);
    });
    neutron.add(a, 'ftp', 'tcp', 21);
    neutron.add(b, 'tftp', 'udp', 69);
    neutron.push(...order(randomUUID()));
    await until(() => types(kernel, `qrouter-${a}`)[0] === 'ftp' && types(kernel, `qrouter-${b}`)[0] === 'tftp');
    expect(neutron.pulls.slice(1).flat().sort()).toEqual([a, b].sort());
  });

  it('takes a push only as a hint: it does not trust the content, and asks nothing about routers of other hosts', async () => {
    const { neutron, kernel } = await started((_, kernel) => kernel.addNamespace(`qrouter-${a}`));
    neutron.push(b, 17, null, 'x', `${a}/../..`);
    neutron.push(a);
    await settled();
    expect(neutron.pulls).toEqual([[a], [a]]);
    expect(kernel.table(`qrouter-${a}`)).toBeNull();
  });

  it('follows namespaces: pulls a new one, forgets a deleted one, serves one again that was created again', async () => {
    const { neutron, kernel } = await started((neutron) => neutron.add(a, 'ftp', 'tcp', 21));
    expect(neutron.pulls).toEqual([]);
    const netns = `qrouter-${a}`;
    for (let round = 0; round < 3; round++) {
      kernel.addNamespace(netns);
      await until(() => types(kernel, netns)[0] === 'ftp');
      kernel.removeNamespace(netns);
      await until(() => harness?.agent.counts.routers === 0);
      neutron.push(a);
    }
    await settled();
    expect(neutron.pulls).toEqual([[a], [a], [a]]);
  });

  it('removes a helper from the kernel after it was deleted in Neutron', async () => {
    const { neutron, kernel } = await started((neutron, kernel) => {
      kernel.addNamespace(`qrouter-${a}`);
      neutron.add(a, 'ftp', 'tcp', 21);
      neutron.add(a, 'tftp', 'udp', 69);
    });
    neutron.helpers.shift();
    neutron.push(a);
    await until(() => types(kernel, `qrouter-${a}`).join() === 'tftp');
    neutron.helpers.length = 0;
    neutron.push(a);
    await until(() => kernel.table(`qrouter-${a}`) === null);
  });

  it('a helper that cannot be read does not affect the others', async () => {
    const { kernel } = await started((neutron, kernel) => {
      kernel.addNamespace(`qrouter-${a}`);
      neutron.add(a, 'ftp', 'tcp', 0);
      neutron.add(a, { x: 1 }, 'tcp', 1);
      neutron.add(a, 'irc"; flush ruleset; "', 'tcp', 6667);
      neutron.add(a, 'tftp', 'udp', 69);
    });
    expect(types(kernel, `qrouter-${a}`)).toEqual(['tftp']);
  });

  it('tries again after neutron-server failed', async () => {
    const { neutron, kernel } = await started((neutron, kernel) => {
      kernel.addNamespace(`qrouter-${a}`);
      neutron.add(a, 'ftp', 'tcp', 21);
      neutron.failures = 3;
    });
    expect(types(kernel, `qrouter-${a}`)).toEqual(['ftp']);
    neutron.add(a, 'tftp', 'udp', 69);
    neutron.failures = 3;
    neutron.push(a);
    await until(() => types(kernel, `qrouter-${a}`).length === 2);
  });

  it('sends heartbeats as Neutron’s agents do, with a start flag until one has arrived', async () => {
    const { neutron } = await started(() => undefined);
    await until(() => neutron.states.length > 0);
    neutron.connect();
    await until(() => neutron.states.length > 1);
    const [first, second] = neutron.states.map((args) => (args['agent_state'] as { agent_state: object }).agent_state);
    expect(first).toMatchObject({ binary: 'pinhole-agent', agent_type: 'Pinhole agent', host: 'h', start_flag: true });
    expect(second).not.toHaveProperty('start_flag');
    expect(neutron.states[0]?.['time']).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+$/);
  });

  it('shows the status of each helper to the tools of its host', async () => {
    await started((neutron, kernel) => {
      kernel.addNamespace(`qrouter-${a}`);
      neutron.add(a, 'ftp', 'tcp', 21);
      neutron.add(a, 'amanda', 'tcp', 10080);
    });
    expect(harness?.agent.status()).toMatchObject({
      host: 'h',
      source: 'server',
      routers: [
        {
          router: { id: `qrouter-${a}`, name: a, netns: `qrouter-${a}` },
          helpers: [
            { helper: 'ftp', families: [{ status: 'ACTIVE' }, { status: 'ACTIVE' }] },
            { helper: 'amanda', families: [{ status: 'ERROR' }, { status: 'ERROR' }] },
          ],
        },
      ],
    });
  });
});
