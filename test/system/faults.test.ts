import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Router } from '../../src/contract/router.ts';
import { ownPrefix, ScratchNetwork } from '../../src/lab/scratch-network.ts';
import { eventually } from '../support/eventually.ts';
import { TestPinhole } from '../support/pinhole.ts';

const PREFIX = `${ownPrefix('pht')}-fault`;
const ROUNDS = process.env['PINHOLE_SOAK'] === undefined ? 10 : 200;
const ROUTERS = 6;

/** The writes of one client: ports of helpers, by router. */
class Load {
  readonly acknowledged = new Map<string, Map<number, string>>();
  /** Writes that the server neither acknowledged nor refused: they may or may not be stored. */
  readonly unknown = new Map<string, Set<number>>();
  writes = 0;
  #stop = false;
  #next = 1024;
  readonly #pinhole: TestPinhole;
  readonly #running: Promise<void>[];

  constructor(pinhole: TestPinhole, routers: readonly string[]) {
    this.#pinhole = pinhole;
    for (const id of routers) {
      this.acknowledged.set(id, new Map());
      this.unknown.set(id, new Set());
    }
    this.#running = routers.map((id) => this.#write(id));
  }

  async stop(): Promise<void> {
    this.#stop = true;
    await Promise.all(this.#running);
  }

  async #write(router: string): Promise<void> {
    const mine = this.acknowledged.get(router) as Map<number, string>;
    while (!this.#stop) {
      const remove = mine.size > 40 ? [...mine][0] : undefined;
      const port = remove?.[0] ?? this.#next++;
      try {
        if (remove) {
          await this.#pinhole.removeHelper(router, remove[1]);
          mine.delete(port);
        } else {
          mine.set(port, (await this.#pinhole.addHelper(router, 'ftp', 'tcp', port)).id);
        }
        this.writes++;
      } catch (error) {
        const { code } = error as { code?: string };
        if (remove && code === 'helper-not-found') mine.delete(port);
        else if (code === 'unreachable' || code === undefined) {
          if (remove) mine.delete(port);
          this.unknown.get(router)?.add(port);
        }
        // The server is gone or busy, and nothing says when it is worth asking again.
        await sleep(5);
      }
    }
  }
}

describe('faults', () => {
  const network = new ScratchNetwork(PREFIX);
  const pinhole = new TestPinhole(PREFIX);
  let routers: Router[];

  beforeAll(async () => {
    await network.addHosts(Array.from({ length: ROUTERS }, (_, index) => `r${index}`));
    await pinhole.start();
    routers = [];
    for (let index = 0; index < ROUTERS; index++) routers.push(await pinhole.addRouter(network.netns(`r${index}`)));
  });
  afterAll(async () => {
    await pinhole.stop();
    await network.destroy();
  });

  /** Ports that a router's map assigns, as the nft command reads them from the kernel. */
  async function observedPorts(host: string): Promise<number[]> {
    const { stdout } = await network.exec(host, ['nft', 'list', 'ruleset']);
    return [...stdout.matchAll(/(\d+) : "ftp-tcp"/g)].map(([, port]) => Number(port)).sort((a, b) => a - b);
  }

  async function declaredPorts(router: Router): Promise<number[]> {
    return (await pinhole.helpers(router.id)).map(({ port }) => port).sort((a, b) => a - b);
  }

  /** Expects that the observed state of every router equals its desired state, which has every acknowledged write. */
  async function expectConverged(load: Load): Promise<void> {
    for (const [index, router] of routers.entries()) {
      const declared = await declaredPorts(router);
      const acknowledged = load.acknowledged.get(router.id) as Map<number, string>;
      const unknown = load.unknown.get(router.id) as Set<number>;
      expect(
        [...acknowledged.keys()].filter((port) => !declared.includes(port) && !unknown.has(port)),
        'acknowledged writes that are lost',
      ).toEqual([]);
      expect(
        declared.filter((port) => !acknowledged.has(port) && !unknown.has(port)),
        'removed helpers that are back',
      ).toEqual([]);
      await eventually(async () => (await observedPorts(`r${index}`)).join() === declared.join(), {
        what: `router ${index} converges`,
        timeoutMs: 20_000,
      });
    }
  }

  async function clear(): Promise<void> {
    for (const router of routers) {
      for (const { id } of await pinhole.helpers(router.id)) await pinhole.removeHelper(router.id, id);
    }
  }

  it.each(['kernel', 'agent', 'server'] as const)(
    `kill -9 of the %s process at random moments under load, ${ROUNDS} rounds`,
    async (victim) => {
      await clear();
      const load = new Load(
        pinhole,
        routers.map(({ id }) => id),
      );
      for (let round = 0; round < ROUNDS; round++) {
        // At any moment of the load: there is nothing to wait for.
        await sleep(20 + Math.random() * 120);
        const before = pinhole.instance.pids().get(victim);
        if (before) process.kill(before, 'SIGKILL');
        await eventually(
          () => {
            const now = pinhole.instance.pids().get(victim);
            return now !== undefined && now !== before;
          },
          { what: `${victim} is started again` },
        );
        if (round % 5 === 4) await pinhole.instance.ready();
      }
      await pinhole.instance.ready();
      await load.stop();
      expect(load.writes).toBeGreaterThan(ROUNDS);
      await expectConverged(load);
    },
  );

  it(`kill -9 of the supervisor at random moments under load, ${ROUNDS} rounds`, async () => {
    await clear();
    for (let round = 0; round < ROUNDS; round++) {
      const load = new Load(
        pinhole,
        routers.map(({ id }) => id),
      );
      const base = await Promise.all(routers.map(declaredPorts));
      for (const [index, router] of routers.entries()) for (const port of base[index] ?? []) load.unknown.get(router.id)?.add(port);
      // At any moment of the load: there is nothing to wait for.
      await sleep(20 + Math.random() * 200);
      const children = [...pinhole.instance.pids().values()];
      await pinhole.instance.killSupervisor();
      await load.stop();
      expect(
        children.filter((pid) => existsSync(`/proc/${pid}`)),
        'children that outlive their supervisor',
      ).toEqual([]);
      await pinhole.start();
      await expectConverged(load);
      if (round % 3 === 2) await clear();
    }
  });

  it('a restart of all processes writes no table: the new ones find the rules as desired', async () => {
    await clear();
    await pinhole.addHelper((routers[0] as Router).id, 'ftp', 'tcp', 21);
    await eventually(async () => (await observedPorts('r0')).length === 1);
    const monitor = network.start('r0', ['nft', 'monitor']);
    let events = '';
    monitor.stdout?.on('data', (chunk) => {
      events += chunk;
    });
    // Commits of the test's own: what the monitor saw of the others lies between them.
    const mark = (name: string) =>
      eventually(async () => {
        await network.nft('r0', `add table inet ${name}; delete table inet ${name}`);
        return events.includes(`delete table inet ${name}`);
      });
    await mark('before');
    await pinhole.instance.stop();
    expect(await observedPorts('r0')).toEqual([21]);
    await pinhole.start();
    await pinhole.settled((routers[0] as Router).id);
    await mark('after');
    const others = events
      .split('\n')
      .filter((line) => line !== '' && !/ table inet (before|after)$|^# new generation \d+ by process \d+ \(nft\)$/.test(line));
    expect(others).toEqual([]);
    monitor.kill('SIGKILL');
  });
});
