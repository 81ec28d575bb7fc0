import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NEUTRON_DEFAULT_PAIRS } from '../../src/model/catalogue.ts';
import { Cloud, type CloudRouter, namespaceExists } from '../support/cloud.ts';
import { eventually } from '../support/eventually.ts';
import { NeutronAgent } from '../support/neutron-agent.ts';
import { TestPinhole } from '../support/pinhole.ts';

const run = promisify(execFile);
const CLI = resolve(import.meta.dirname, '../../dist/pinhole/cli.js');

/**
 * An unmodified OpenStack Neutron, with Pinhole's agent instead of the L3 agent's `conntrack_helper` extension. The extension breaks
 * the router with seven of its twelve default helpers, and removes every helper when it restarts.
 */
describe('in a real cloud', () => {
  const cloud = new Cloud();
  const agent = new NeutronAgent(cloud.conf);
  let external: { id: string; subnet: string };
  let internal: { id: string; subnet: string };
  /** No test changes this one, so its table must never be written while other routers change. */
  let untouched: CloudRouter;
  let watch: TableWatch;
  let addresses = 0;

  const newRouter = async (name: string) => {
    const network = await cloud.network(name, `10.9.${++addresses}.0/24`);
    return cloud.router(name, { subnet: network.subnet, external: external.id });
  };

  beforeAll(async () => {
    await cloud.start();
    external = await cloud.network('external', '203.0.113.0/24', { 'router:external': true });
    internal = await cloud.network('internal', '10.8.0.0/24');
    await agent.start();
    untouched = await cloud.router('untouched', { subnet: internal.subnet, external: external.id });
    await cloud.helper(untouched.id, 'ftp', 'tcp', 21);
    await live(untouched, { 'tcp/21': 'ftp-tcp' });
    watch = new TableWatch(untouched.netns);
    await watch.started();
  }, 240_000);
  afterAll(async () => {
    watch?.stop();
    await agent.remove();
    await cloud.stop();
  }, 120_000);

  it('is shown to operators as alive', async () => {
    await eventually(
      async () => /Pinhole agent *\| pinhole-cloud .*:-\).*pinhole-agent/.test(await cloud.openstack('network', 'agent', 'list')),
      {
        timeoutMs: 30_000,
      },
    );
  });

  it('applies all twelve default helpers of one router that the openstack client creates, and the router’s floating IPs still work', async () => {
    const router = await newRouter('twelve');
    const pairs = NEUTRON_DEFAULT_PAIRS.map(({ helper, protocol }, index) => ({ helper, protocol, port: 2000 + index }));
    const create = ({ helper, protocol, port }: (typeof pairs)[number]) =>
      cloud.openstack(
        ...['network', 'l3', 'conntrack', 'helper', 'create', '-f', 'value', '-c', 'id'],
        ...['--helper', helper, '--protocol', protocol, '--port', String(port), router.id],
      );
    for (let at = 0; at < pairs.length; at += 3) await Promise.all(pairs.slice(at, at + 3).map(create));
    const portOf = (helper: string, protocol: string) => pairs.find((pair) => pair.helper === helper && pair.protocol === protocol)?.port;
    await live(router, {
      [`tcp/${portOf('ftp', 'tcp')}`]: 'ftp-tcp',
      [`udp/${portOf('h323', 'udp')}`]: 'ras-udp',
      [`tcp/${portOf('h323', 'tcp')}`]: 'q931-tcp',
      [`tcp/${portOf('irc', 'tcp')}`]: 'irc-tcp',
      [`udp/${portOf('netbios-ns', 'udp')}`]: 'netbios-ns-udp',
      [`tcp/${portOf('pptp', 'tcp')}`]: 'pptp-tcp',
      [`tcp/${portOf('sane', 'tcp')}`]: 'sane-tcp',
      [`udp/${portOf('sip', 'udp')}`]: 'sip-udp',
      [`tcp/${portOf('sip', 'tcp')}`]: 'sip-tcp',
      [`udp/${portOf('snmp', 'udp')}`]: 'snmp-udp',
      [`udp/${portOf('tftp', 'udp')}`]: 'tftp-udp',
    });

    const { stdout } = await run(process.execPath, [CLI, 'status', router.id, '--agent', '--url', agent.url]);
    expect(stdout).toMatch(/^12 helpers: 1 ERROR, 11 ACTIVE; 1 host; 1 router not confined\n/);
    expect(stdout.match(/ ACTIVE +\d+ s$/gm)).toHaveLength(11);
    expect(stdout).toMatch(/ amanda +\S+ +ipv4 ipv6 +ERROR +-\n {2}no kernel has .*amanda.*\n/);

    await floatingIpWorks(router);
  });

  async function floatingIpWorks(router: CloudRouter): Promise<void> {
    const { ports } = await cloud.call<{ ports: { network_id: string }[] }>(
      'GET',
      `/ports?device_id=${router.id}&device_owner=network:router_interface`,
    );
    const body = { port: { network_id: ports[0]?.network_id, tenant_id: 'p1' } };
    const { port } = await cloud.call<{ port: { id: string } }>('POST', '/ports', body);
    const wanted = { floating_network_id: external.id, port_id: port.id, tenant_id: 'p1' };
    const { floatingip } = await cloud.call<{ floatingip: { id: string; floating_ip_address: string; fixed_ip_address: string } }>(
      'POST',
      '/floatingips',
      {
        floatingip: wanted,
      },
    );
    await eventually(
      async () =>
        (await cloud.call<{ floatingip: { status: string } }>('GET', `/floatingips/${floatingip.id}`)).floatingip.status === 'ACTIVE',
      {
        what: 'the floating IP is ACTIVE',
        timeoutMs: 30_000,
      },
    );
    const inside = (...argv: string[]) => run('ip', ['netns', 'exec', router.netns, ...argv]);
    expect((await inside('ip', '-4', '-o', 'addr')).stdout).toContain(` ${floatingip.floating_ip_address}/32 `);
    expect((await inside('iptables-save', '-t', 'nat')).stdout).toContain(
      `-d ${floatingip.floating_ip_address}/32 -j DNAT --to-destination ${floatingip.fixed_ip_address}`,
    );
  }

  it('follows updates and deletes, and removes all state of a deleted router with its namespace', async () => {
    const router = await newRouter('changing');
    const ftp = await cloud.helper(router.id, 'ftp', 'tcp', 21);
    const tftp = await cloud.helper(router.id, 'tftp', 'udp', 69);
    await live(router, { 'tcp/21': 'ftp-tcp', 'udp/69': 'tftp-udp' });
    await cloud.openstack('network', 'l3', 'conntrack', 'helper', 'set', '--port', '2121', router.id, ftp);
    await live(router, { 'tcp/2121': 'ftp-tcp', 'udp/69': 'tftp-udp' });
    await cloud.openstack('network', 'l3', 'conntrack', 'helper', 'delete', router.id, tftp);
    await live(router, { 'tcp/2121': 'ftp-tcp' });
    const { ports } = await cloud.call<{ ports: { fixed_ips: { subnet_id: string }[] }[] }>(
      'GET',
      `/ports?device_id=${router.id}&device_owner=network:router_interface`,
    );
    await cloud.call('PUT', `/routers/${router.id}/remove_router_interface`, { subnet_id: ports[0]?.fixed_ips[0]?.subnet_id });
    await cloud.openstack('router', 'delete', router.id);
    await eventually(() => !namespaceExists(router.netns), { what: 'the namespace goes', timeoutMs: 30_000 });
    await eventually(async () => !(await agent.routers()).some(({ router: { netns } }) => netns === router.netns));
  });

  describe('while helpers change', () => {
    const changed: { router: CloudRouter; ports: Set<number> }[] = [];
    let next = 3000;
    /** Changes that Neutron took. */
    let taken = 0;

    beforeAll(async () => {
      for (const name of ['busy-1', 'busy-2']) changed.push({ router: await newRouter(name), ports: new Set() });
    }, 120_000);

    /** Creates and deletes helpers, one after the other, until stopped. Refused requests do not count. */
    function churn(): () => Promise<void> {
      let going = true;
      const ids = new Map<number, string>();
      const one = async ({ router, ports }: (typeof changed)[number]) => {
        const port = next++;
        ids.set(port, await cloud.helper(router.id, 'ftp', 'tcp', port));
        ports.add(port);
        taken++;
        const [oldest] = ports;
        if (ports.size > 5 && oldest !== undefined && ids.has(oldest)) {
          await cloud.call('DELETE', `/routers/${router.id}/conntrack_helpers/${ids.get(oldest)}`);
          ports.delete(oldest);
        }
      };
      const done = (async () => {
        while (going) {
          for (const each of changed) await one(each).catch(() => cloud.answers());
        }
      })();
      return async () => {
        going = false;
        await done;
      };
    }

    /** Waits until Neutron took some more changes. */
    async function moreChanges(count = 6): Promise<void> {
      const wanted = taken + count;
      await eventually(() => taken >= wanted, { what: `${count} changes more`, timeoutMs: 60_000 });
    }

    /**
     * Waits until an agent process that is another than before has pulled: one that never gets to it holds what it finds afterwards, as a
     * cloud's answer does not tell which database it is from. @returns its id
     */
    async function newAgent(before: number): Promise<number> {
      let pid = before;
      const look = () => {
        try {
          pid = agent.process().pid;
        } catch {
          return false;
        }
        return pid !== before;
      };
      await eventually(look, { what: 'the agent is started again' });
      const hasPulled = () =>
        agent.counts().then(
          ({ pulls }) => pulls > 0,
          () => false,
        );
      await eventually(hasPulled, { what: 'the agent has pulled', timeoutMs: 60_000 });
      return pid;
    }

    /** Helpers in Neutron's database. A create that got no answer may be among them. */
    async function converges(): Promise<void> {
      for (const { router } of changed) {
        const path = `/routers/${router.id}/conntrack_helpers`;
        const { conntrack_helpers } = await cloud.call<{ conntrack_helpers: { port: number }[] }>('GET', path);
        expect(conntrack_helpers.length).toBeGreaterThan(0);
        await live(router, Object.fromEntries(conntrack_helpers.map(({ port }) => [`tcp/${port}`, 'ftp-tcp'])), 60_000);
      }
    }

    /** The number of helpers that only one of Neutron and kernel has. */
    async function lag(): Promise<number> {
      let count = 0;
      for (const { router, ports } of changed) {
        const found = new Set(Object.keys(await assigned(router.netns)));
        for (const port of ports) if (!found.delete(`tcp/${port}`)) count++;
        count += found.size;
      }
      return count;
    }

    it('the agent is killed and started again: no helper is lost, and unchanged routers are not written', async () => {
      const stop = churn();
      for (let round = 0, pid = -1; round < 3; round++) {
        await moreChanges();
        pid = await newAgent(pid);
        process.kill(pid, 'SIGKILL');
      }
      await moreChanges();
      await stop();
      await agent.settled();
      await agent.stop('SIGKILL');
      await cloud
        .helper((changed[0] as (typeof changed)[number]).router.id, 'tftp', 'udp', 69)
        .then((id) => cloud.call('DELETE', `/routers/${changed[0]?.router.id}/conntrack_helpers/${id}`));
      await agent.start();
      await converges();
      watch.expectSilence();
    });

    it('RabbitMQ is killed and started again', async () => {
      const stop = churn();
      await moreChanges();
      await cloud.rabbit.restart();
      await moreChanges();
      await stop();
      await converges();
      watch.expectSilence();
    });

    it('neutron-server ends and is started again', async () => {
      const stop = churn();
      await moreChanges();
      await cloud.halt('server', 'SIGKILL');
      await cloud.startServer();
      await moreChanges();
      await stop();
      await converges();
      watch.expectSilence();
    });

    it('the agent is cut off from RabbitMQ until its questions fail, by a firewall that drops', async () => {
      const { uid } = agent.process();
      const stop = churn();
      await moreChanges();
      agent.log = '';
      const firewall = new Firewall(uid, cloud.rabbit.port);
      try {
        const failed = /pulling (routers|everything) failed|the broker cannot be reached/;
        await eventually(() => failed.test(agent.log), { what: 'a question of the agent fails', timeoutMs: 150_000 });
        await eventually(async () => (await lag()) > 0, { what: 'Neutron has changes that the agent could not hear of' });
      } finally {
        firewall.remove();
      }
      await stop();
      await converges();
      watch.expectSilence();
    }, 180_000);
  });

  describe('beside an installation with a server of its own, which sees the same namespaces', () => {
    const own = 'qrouter-not-of-the-cloud';
    const other = new TestPinhole('qrouter');
    const table = async (netns: string) =>
      (await run('ip', ['netns', 'exec', netns, 'nft', '-a', 'list', 'table', 'inet', 'pinhole'])).stdout;

    beforeAll(async () => {
      await run('ip', ['netns', 'add', own]);
      await other.start();
    });
    afterAll(async () => {
      await other.stop();
      await run('ip', ['netns', 'del', own]);
    });

    it('neither changes a table of the other, and status says whose it is', async () => {
      const before = await table(untouched.netns);
      const [mine, theirs] = [await other.addRouter(own), await other.addRouter(untouched.netns)];
      for (const { id } of [mine, theirs]) await other.addHelper(id, 'sip', 'udp', 5060);
      const statusOf = async (id: string) =>
        (await other.status(id)).helpers.flatMap(({ families }) => families.map((family) => family.status));
      await eventually(async () => (await statusOf(mine.id)).join() === 'ACTIVE,ACTIVE', { what: 'its own helper is live' });
      await eventually(async () => /belongs to installation/.test((await other.status(theirs.id)).reason), { what: 'a reason' });
      expect(await statusOf(theirs.id)).toEqual(['ERROR', 'ERROR']);
      const ofOther = await table(own);
      await agent.stop('SIGKILL');
      await agent.start();
      await agent.settled();
      await cloud.helper(untouched.id, 'tftp', 'udp', 69);
      await live(untouched, { 'tcp/21': 'ftp-tcp', 'udp/69': 'tftp-udp' });
      expect(before).toContain('"ftp-tcp"');
      expect(await table(own)).toBe(ofOther);
      expect(await statusOf(theirs.id)).toEqual(['ERROR', 'ERROR']);
      expect((await agent.routers()).some(({ router: { netns } }) => netns === own)).toBe(false);
    }, 120_000);
  });

  /** Waits until a namespace assigns exactly these helpers, as the nft command reads it. */
  async function live(router: CloudRouter, wanted: Record<string, string>, timeoutMs = 20_000): Promise<void> {
    let found: Record<string, string> = {};
    await eventually(
      async () => {
        found = await assigned(router.netns);
        return JSON.stringify(sorted(found)) === JSON.stringify(sorted(wanted));
      },
      { what: `${router.netns} has ${JSON.stringify(wanted)}`, timeoutMs },
    ).catch(() => expect(found, agent.log.slice(-3000)).toEqual(wanted));
  }
});

async function assigned(netns: string): Promise<Record<string, string>> {
  const { stdout } = await run('ip', ['netns', 'exec', netns, 'nft', 'list', 'table', 'inet', 'pinhole']).catch(() => ({ stdout: '' }));
  const maps = stdout.matchAll(/ct helper set (tcp|udp) dport map \{ ([^}]*) \}/g);
  return Object.fromEntries(
    [...maps].flatMap(([, protocol, elements]) =>
      [...(elements ?? '').matchAll(/(\d+) : "([^"]+)"/g)].map(([, port, name]) => [`${protocol}/${port}`, name as string] as const),
    ),
  );
}

function sorted(map: Record<string, string>): [string, string][] {
  return Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Every write to `table inet pinhole` of a namespace, by any process. */
class TableWatch {
  readonly #netns: string;
  readonly #child: ChildProcess;
  readonly #events: string[] = [];
  #isReady = false;

  constructor(netns: string) {
    this.#netns = netns;
    this.#child = spawn('ip', ['netns', 'exec', netns, 'nft', 'monitor'], { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child.stdout?.on('data', (chunk) => {
      const lines = String(chunk).split('\n');
      this.#isReady ||= lines.some((line) => line.includes('pht-probe'));
      this.#events.push(...lines.filter((line) => line.includes('inet pinhole')));
    });
  }

  /** Waits until `nft monitor` reports a table that the test makes: it does not say when it is ready. */
  async started(): Promise<void> {
    const inside = ['netns', 'exec', this.#netns, 'nft'];
    await eventually(async () => {
      await run('ip', [...inside, 'add table inet pht-probe; delete table inet pht-probe']);
      return this.#isReady;
    });
  }

  expectSilence(): void {
    expect(this.#events).toEqual([]);
    expect(this.#child.exitCode).toBeNull();
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Drops packets of one user to a port of this host. */
class Firewall {
  readonly #table = `pinhole-test-${process.pid}`;

  constructor(uid: number, port: number) {
    const rule = `meta skuid ${uid} tcp dport ${port} drop`;
    execFileSync('nft', ['-f', '-'], {
      input: `table inet ${this.#table} {\n chain output {\n type filter hook output priority 0; policy accept;\n ${rule}\n }\n}\n`,
    });
  }

  remove(): void {
    execFileSync('nft', ['delete', 'table', 'inet', this.#table]);
  }
}
