import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROUTER } from '../src/contract/router.ts';
import { Instance } from '../src/lab/instance.ts';
import { ownPrefix, ScratchNetwork } from '../src/lab/scratch-network.ts';
import { newFolder } from './folder.ts';
import { type Result, round, UNLIMITED } from './measure.ts';

const PREFIX = `${ownPrefix('phb')}-mem`;
const COUNT = 1000;
const HELPERS = [
  { helper: 'ftp', protocol: 'tcp', port: 21 },
  { helper: 'tftp', protocol: 'udp', port: 69 },
  { helper: 'sip', protocol: 'udp', port: 5060 },
  { helper: 'pptp', protocol: 'tcp', port: 1723 },
];
const SETTLE_MS = 15_000;
/** Long enough for one or two timed resyncs. */
const IDLE_MS = 90_000;
const CLOCK_TICKS = 100;

/** Measures the memory of `pinhole up` with 1,000 routers after its start, and its CPU time when idle. */
export async function benchMemory(): Promise<Result[]> {
  const network = new ScratchNetwork(PREFIX);
  const directory = newFolder(join(tmpdir(), 'phb-mem-'));
  const instance = new Instance({ directory, namespaces: [`${PREFIX}-*`], config: UNLIMITED });
  const names = Array.from({ length: COUNT }, (_, index) => `n${index}`);
  await network.addHosts(names);
  try {
    await instance.start();
    const client = instance.client();
    for (const name of names) {
      const { id } = await client.read(ROUTER, 'POST', '/v1/routers', { name, netns: network.netns(name) });
      await client.call('POST', `/v2.0/routers/${id}/conntrack_helpers`, { conntrack_helpers: HELPERS });
    }
    await until(() => hasTable(network, names.at(-1) as string));
    await instance.stop();
    for (const netns of names.map((name) => network.netns(name)))
      await network.nft(netns.slice(PREFIX.length + 1), 'delete table inet pinhole');
    await instance.start();
    await until(() => hasTable(network, names.at(-1) as string));
    await sleep(SETTLE_MS);
    const pids = new Map<string, number>([['supervisor', instance.pid], ...instance.pids()]);
    const before = new Map([...pids].map(([name, pid]) => [name, cpuSeconds(pid)]));
    await sleep(IDLE_MS);
    const idleOf = new Map([...pids].map(([name, pid]) => [name, ((cpuSeconds(pid) - (before.get(name) ?? 0)) / (IDLE_MS / 1000)) * 100]));
    const idle = [...idleOf.values()].reduce((sum, value) => sum + value, 0);
    const pss = new Map([...pids].map(([name, pid]) => [name, pssMiB(pid)]));
    const total = [...pss.values()].reduce((sum, value) => sum + value, 0);
    const peak = peakMiB(pids.get('kernel') ?? 0);
    return [
      {
        what: `memory and idle CPU of pinhole up, ${COUNT} routers × ${HELPERS.length} helpers`,
        target: "≤ 300 MiB PSS in all, kernel process's peak ≤ 120 MiB, idle ≤ 1 % of a core",
        ok: total <= 300 && peak <= 120 && idle <= 1,
        figures: {
          ...Object.fromEntries([...pss].map(([name, value]) => [`${name}, PSS MiB`, round(value)])),
          'all, PSS MiB': round(total),
          "kernel process's peak (VmHWM), MiB": round(peak),
          'idle, % of a core': round(idle),
          ...Object.fromEntries([...idleOf].map(([name, value]) => [`${name} idle, % of a core`, round(value)])),
        },
      },
    ];
  } finally {
    await instance.stop();
    await network.destroy();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function hasTable(network: ScratchNetwork, host: string): Promise<boolean> {
  return (await network.exec(host, ['nft', 'list', 'tables'])).stdout.includes('pinhole');
}

function pssMiB(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1024;
}

function peakMiB(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(50);
}
