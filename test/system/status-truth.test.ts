import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RouterId } from '../../src/contract/primitives.ts';
import { ownPrefix, ScratchNetwork } from '../../src/lab/scratch-network.ts';
import { seededChance } from '../../src/ports/chance.ts';
import { eventually } from '../support/eventually.ts';
import { TestPinhole } from '../support/pinhole.ts';

const PREFIX = `${ownPrefix('pht')}-truth`;
const ROUNDS = process.env['PINHOLE_SOAK'] === undefined ? 10 : 200;
const CHECK_SECONDS = 2;
const BOUND_MS = 2 * CHECK_SECONDS * 1_000;
const HOSTS = ['r0', 'r1', 'r2'] as const;
/** Every so many rounds, the kernel process stays away for longer than the bound: nothing restarts it. */
const LONG_EVERY = 3;

type Fault = 'stopped' | 'killed' | 'starved';
const FAULTS: readonly Fault[] = ['stopped', 'killed', 'starved'];

describe('status under faults of the kernel process', () => {
  const seed = Number(process.env['PINHOLE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  const chance = seededChance(seed);
  const network = new ScratchNetwork(PREFIX);
  const config = `agent: { check_seconds: ${CHECK_SECONDS}, report_seconds: 1 }\n`;
  const pinhole = new TestPinhole(PREFIX, config, { deadlineSeconds: 1 });
  const ids = new Map<string, RouterId>();

  beforeAll(async () => {
    await network.addHosts([...HOSTS]);
    await pinhole.start();
    for (const host of HOSTS) {
      const { id } = await pinhole.addRouter(network.netns(host));
      ids.set(host, id);
      await pinhole.addHelper(id, 'ftp', 'tcp', 21);
    }
  });
  afterAll(async () => {
    await pinhole.stop();
    await network.destroy();
  });

  const idOf = (host: string) => ids.get(host) as RouterId;
  const pick = <T>(items: readonly T[]) => items[Math.floor(chance() * items.length)] as T;

  async function isEnforced(host: string): Promise<boolean> {
    return (await network.exec(host, ['nft', 'list', 'ruleset'])).stdout.includes('21 : "ftp-tcp"');
  }

  async function statusOf(host: string): Promise<string> {
    const { helpers } = await pinhole.status(idOf(host));
    return helpers.find(({ port }) => port === 21)?.families[0]?.status ?? 'none';
  }

  /** Adds and removes other helpers until it is stopped. */
  function load(): () => Promise<void> {
    let isOver = false;
    const running = HOSTS.map(async (host, index) => {
      for (let port = 2_000 + index; !isOver; port += HOSTS.length) {
        const added = await pinhole.addHelper(idOf(host), 'tftp', 'udp', 2_000 + (port % 50_000)).catch(() => null);
        if (added) await pinhole.removeHelper(idOf(host), added.id).catch(() => undefined);
        // The load of a few clients, not all that the machine can do.
        await sleep(20);
      }
    });
    return async () => {
      isOver = true;
      await Promise.all(running);
    };
  }

  /** Stops the process and lets it go on, so that it runs for a small part of the time. */
  async function starve(pid: number, forMs: number): Promise<void> {
    const end = Date.now() + forMs;
    while (Date.now() < end && signal(pid, 'SIGSTOP')) {
      await sleep(20 + chance() * 200);
      if (!signal(pid, 'SIGCONT')) return;
      await sleep(2 + chance() * 10);
    }
  }

  function signal(pid: number, name: NodeJS.Signals): boolean {
    try {
      process.kill(pid, name);
      return true;
    } catch {
      return false;
    }
  }

  async function inflict(fault: Fault, isLong: boolean): Promise<void> {
    const kernel = pinhole.instance.pids().get('kernel');
    const awayMs = isLong ? BOUND_MS + 3_000 : chance() * 2_000;
    // Without its supervisor, the kernel process stays as the fault leaves it.
    if (isLong) signal(pinhole.instance.pid, 'SIGSTOP');
    try {
      if (kernel === undefined) return;
      if (fault === 'stopped') signal(kernel, 'SIGSTOP');
      else if (fault === 'killed') signal(kernel, 'SIGKILL');
      else await starve(kernel, awayMs);
      if (fault !== 'starved') await sleep(awayMs);
    } finally {
      signal(pinhole.instance.pid, 'SIGCONT');
    }
  }

  /**
   * Deletes a router's table and watches its status until the table is back.
   * @returns what was shown while the rule was certainly gone: each status with the milliseconds for which it had been gone
   */
  async function deleteAndWatch(host: string): Promise<{ status: string; goneMs: number }[]> {
    await network.nft(host, 'delete table inet pinhole').catch(() => undefined);
    const gone = Date.now();
    const seen: { status: string; goneMs: number }[] = [];
    for (;;) {
      const asked = Date.now();
      const status = await statusOf(host);
      // A rule that is back by now may have been back before the answer.
      if (await isEnforced(host)) return seen;
      seen.push({ status, goneMs: asked - gone });
      if (asked - gone > 120_000) throw new Error(`seed ${seed}: the rule of ${host} is not restored`);
    }
  }

  it(`shows no helper as ACTIVE for longer than the bound after its rule was gone, ${ROUNDS} rounds`, async () => {
    const stop = load();
    let pastBound = 0;
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const [fault, host, isLong] = [pick(FAULTS), pick(HOSTS), round % LONG_EVERY === 0];
        const about = `seed ${seed}, round ${round}: ${fault}${isLong ? ' for long' : ''}`;
        await eventually(async () => (await statusOf(host)) === 'ACTIVE', { what: `${about}: ACTIVE before`, timeoutMs: 90_000 });
        const inflicted = inflict(isLong && fault === 'starved' ? 'stopped' : fault, isLong);
        await sleep(chance() * 300);
        const seen = await deleteAndWatch(host);
        await inflicted;
        const late = seen.filter(({ goneMs }) => goneMs > BOUND_MS);
        pastBound += late.length;
        expect(
          late.filter(({ status }) => status === 'ACTIVE'),
          about,
        ).toEqual([]);
      }
    } finally {
      await stop();
    }
    expect(pastBound, `seed ${seed}: samples past the bound`).toBeGreaterThan(0);
    for (const host of HOSTS) {
      await eventually(() => isEnforced(host), { what: `seed ${seed}: ${host} is enforced at the end`, timeoutMs: 60_000 });
      await eventually(async () => (await statusOf(host)) === 'ACTIVE', {
        what: `seed ${seed}: ${host} is ACTIVE at the end`,
        timeoutMs: 60_000,
      });
    }
  }, 3_600_000);
});
