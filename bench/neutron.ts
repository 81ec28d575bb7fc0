import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { HELPER_TOPIC } from '../src/wire/topics.ts';
import { Cloud, type CloudRouter } from '../test/support/cloud.ts';
import { eventually } from '../test/support/eventually.ts';
import { NeutronAgent } from '../test/support/neutron-agent.ts';
import { median, type Result, round, summarise } from './measure.ts';

const run = promisify(execFile);
const SAMPLES = 25;
const SIZES = [20, 50] as const;
const HELPERS = [
  ['ftp', 'tcp', 21],
  ['tftp', 'udp', 69],
  ['sip', 'udp', 5060],
  ['sip', 'tcp', 5060],
] as const;
const PROGRAMS = ['/usr/bin/neutron-server', '/usr/bin/neutron-l3-agent', '/usr/sbin/mariadbd', '/usr/lib/rabbitmq/bin/rabbitmq-server'];
const POLL_MS = 20;
const PATIENCE_MS = 30_000;

/** The agent that serves helpers. */
interface Side {
  readonly name: 'neutron' | 'pinhole';
  /** Patterns of the lines of `nft monitor` that show a helper on this port as live, one for each of its families. */
  readonly live: (port: number) => readonly ((line: string) => boolean)[];
}

const ORIGINAL: Side = {
  name: 'neutron',
  live: (port) =>
    ['ip', 'ip6'].map(
      (family) => (line: string) =>
        /^(add|insert) rule /.test(line) && line.includes(` rule ${family} raw `) && line.includes(`dport ${port} `),
    ),
};
const OURS: Side = { name: 'pinhole', live: () => [(line: string) => line.startsWith('add rule inet pinhole assign ')] };

/** Measures the L3 agent's extension and Pinhole's agent in the same cloud, one after the other. */
export async function benchNeutron(): Promise<Result[]> {
  const missing = PROGRAMS.filter((path) => !existsSync(path));
  if (missing.length > 0)
    return [
      { what: 'beside the original in one cloud', target: '-', ok: null, figures: { 'not run': `${missing.join(', ')} are not there` } },
    ];
  const cloud = await new Cloud({ extensions: ['conntrack_helper'] }).start();
  const agent = new NeutronAgent(cloud.conf);
  try {
    const latency = await cloud.router('latency', await cloud.network('latency', '10.20.0.0/24'));
    const original = await latencies(cloud, latency, ORIGINAL);
    const routers: CloudRouter[] = [];
    const resyncs: Record<string, { neutron: number; pinhole: number }> = {};
    let gap = { neutron: 0, pinhole: 0 };
    for (const size of SIZES) {
      while (routers.length < size) routers.push(await newRouter(cloud, routers.length));
      await allLive(routers, hasOriginal);
      resyncs[size] = { neutron: await resyncOriginal(cloud, routers), pinhole: await resyncOurs(agent, routers) };
      if (size === SIZES[0])
        gap = { neutron: await gapOriginal(cloud, routers[0] as CloudRouter), pinhole: await gapOurs(agent, routers[0] as CloudRouter) };
    }
    await agent.start();
    await agent.settled();
    const memory = { neutron: pssOfL3Agent(cloud), pinhole: agent.pss() };
    await cloud.restartL3Agent([]);
    await sleep(5_000);
    const before = await agent.counts();
    const ours = await latencies(cloud, latency, OURS);
    const after = await agent.counts();
    const pullMs = ((after.pullSeconds - before.pullSeconds) / (after.pulls - before.pulls)) * 1000;
    return results({ original, ours, pullMs, resyncs, gap, memory });
  } finally {
    await agent.remove();
    await cloud.stop();
  }
}

interface Latencies {
  readonly restToLive: readonly number[];
  readonly pushToLive: readonly number[];
}

/** Times from the request, and from the arrival of its push on a queue of this process, to the last rule in the kernel. */
async function latencies(cloud: Cloud, router: CloudRouter, side: Side): Promise<Latencies> {
  const monitor = new Monitor(router.netns);
  const tap = cloud.bus('tap');
  let pushedAt = 0;
  const onPush = () => {
    pushedAt = performance.now();
  };
  tap.serve(HELPER_TOPIC, onPush, { fanout: true });
  let isUp = false;
  tap.onLink((up) => {
    isUp = up;
  });
  await eventually(() => isUp);
  await monitor.started();
  const restToLive: number[] = [];
  const pushToLive: number[] = [];
  // The first helper of a router also creates its table and chains, so it is not timed.
  await cloud.helper(router.id, 'ftp', 'tcp', side === OURS ? 40_001 : 40_000);
  await sleep(2_000);
  for (let index = 0; index < SAMPLES; index++) {
    const [helper, protocol] = HELPERS[index % HELPERS.length] as (typeof HELPERS)[number];
    const port = (side === OURS ? 30_000 : 20_000) + index;
    const live = monitor.all(side.live(port));
    const start = performance.now();
    await cloud.helper(router.id, helper, protocol, port);
    const at = await live;
    restToLive.push(at - start);
    pushToLive.push(at - pushedAt);
    await sleep(100);
  }
  monitor.stop();
  await tap.close();
  return { restToLive, pushToLive };
}

async function newRouter(cloud: Cloud, index: number): Promise<CloudRouter> {
  const router = await cloud.router(`r${index}`, await cloud.network(`n${index}`, `10.30.${index}.0/24`));
  for (const [helper, protocol, port] of HELPERS) await cloud.helper(router.id, helper, protocol, port);
  return router;
}

async function hasOriginal(netns: string): Promise<boolean> {
  for (const program of ['iptables-save', 'ip6tables-save']) {
    const { stdout } = await run('ip', ['netns', 'exec', netns, program, '-t', 'raw']);
    if ((stdout.match(/--helper/g) ?? []).length < HELPERS.length) return false;
  }
  return true;
}

async function hasOurs(netns: string): Promise<boolean> {
  const { stdout } = await run('ip', ['netns', 'exec', netns, 'nft', 'list', 'table', 'inet', 'pinhole']).catch(() => ({ stdout: '' }));
  return (stdout.match(/\d+ : "/g) ?? []).length >= HELPERS.length;
}

/** Creates the helpers that do not exist yet. */
async function allLive(routers: readonly CloudRouter[], has: (netns: string) => Promise<boolean>): Promise<void> {
  const left = new Set(routers.map(({ netns }) => netns));
  await eventually(
    async () => {
      for (const netns of left) {
        if (!(await has(netns))) return false;
        left.delete(netns);
      }
      return true;
    },
    { what: 'all rules are live', timeoutMs: 180_000 },
  );
}

/** @returns seconds from the start of the process until all rules are live in existing namespaces */
async function resyncOriginal(cloud: Cloud, routers: readonly CloudRouter[]): Promise<number> {
  await cloud.halt('l3-agent');
  for (const { netns } of routers)
    for (const family of ['ip', 'ip6']) execFileSync('ip', ['netns', 'exec', netns, 'nft', 'flush', 'table', family, 'raw']);
  const start = performance.now();
  const started = cloud.startL3Agent();
  await allLive(routers, hasOriginal);
  const seconds = (performance.now() - start) / 1000;
  await started;
  return round(seconds);
}

async function resyncOurs(agent: NeutronAgent, routers: readonly CloudRouter[]): Promise<number> {
  await agent.stop();
  for (const { netns } of routers)
    await run('ip', ['netns', 'exec', netns, 'nft', 'delete', 'table', 'inet', 'pinhole']).catch(() => undefined);
  const start = performance.now();
  await agent.start();
  await allLive(routers, hasOurs);
  const seconds = (performance.now() - start) / 1000;
  await agent.settled();
  await agent.stop();
  return round(seconds);
}

/** @returns seconds for which the router has no rules while its agent restarts */
async function gapOriginal(cloud: Cloud, router: CloudRouter): Promise<number> {
  return gapDuring(router, `iptables-save -t raw | grep -c -- --helper`, async () => {
    await cloud.halt('l3-agent');
    await cloud.startL3Agent();
    await sleep(25_000);
  });
}

async function gapOurs(agent: NeutronAgent, router: CloudRouter): Promise<number> {
  await agent.start();
  await agent.settled();
  const gap = await gapDuring(router, `nft list table inet pinhole | grep -c 'dport map'`, async () => {
    await agent.stop();
    await agent.start();
    await agent.settled();
  });
  await agent.stop();
  return gap;
}

/** Polls the rules from inside the namespace. @returns seconds without any rule */
async function gapDuring(router: CloudRouter, look: string, work: () => Promise<void>): Promise<number> {
  const looker = spawn('ip', ['netns', 'exec', router.netns, 'sh', '-c', `while :; do ${look}; done 2>/dev/null`], {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  let [gapMs, lastAt, wasThere] = [0, performance.now(), true];
  looker.stdout.on('data', (chunk) => {
    const now = performance.now();
    for (const line of String(chunk).trim().split('\n')) {
      if (!wasThere) gapMs += now - lastAt;
      wasThere = line !== '0';
      lastAt = now;
    }
  });
  try {
    await work();
  } finally {
    process.kill(-(looker.pid as number), 'SIGKILL');
  }
  return round(gapMs / 1000);
}

/** Ends the agent's privsep daemons. They are not in its process group; the configuration file in their arguments tells them. */
function pssOfL3Agent(cloud: Cloud): number {
  let kib = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${cloud.directory}/l3_agent.ini`)) continue;
      kib += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch {
      // It has ended meanwhile.
    }
  }
  return kib / 1024;
}

interface Measured {
  readonly original: Latencies;
  readonly ours: Latencies;
  readonly pullMs: number;
  readonly resyncs: Readonly<Record<string, { neutron: number; pinhole: number }>>;
  readonly gap: { readonly neutron: number; readonly pinhole: number };
  readonly memory: { readonly neutron: number; readonly pinhole: number };
}

function results({ original, ours, pullMs, resyncs, gap, memory }: Measured): Result[] {
  const [theirPush, ourPush] = [summarise(original.pushToLive), summarise(ours.pushToLive)];
  const first = resyncs[SIZES[0]] as { neutron: number; pinhole: number };
  return [
    {
      what: 'push → live in a real cloud, beside the original',
      target: 'p50 ≤ the original’s',
      ok: ourPush.p50 <= theirPush.p50,
      figures: {
        'Pinhole: push → live p50, ms': ourPush.p50,
        'Pinhole: push → live max, ms': ourPush.max,
        'of which the pull, mean ms': round(pullMs),
        'Neutron: push → live p50, ms (both families)': theirPush.p50,
        'Neutron: push → live max, ms': theirPush.max,
        'Pinhole: REST → live p50, ms': median(ours.restToLive),
        'Neutron: REST → live p50, ms': median(original.restToLive),
        samples: SAMPLES,
      },
    },
    {
      what: 'cold resync in kept namespaces × 4 helpers, beside the original',
      target: `process start → all live ≤ 1/10 of the original’s (thread_pool_size = 16) with ${SIZES[0]}; no gap on restart`,
      ok: first.pinhole <= first.neutron / 10 && gap.pinhole === 0,
      figures: {
        ...Object.fromEntries(SIZES.map((size) => [`Pinhole: ${size} namespaces, s`, (resyncs[size] as { pinhole: number }).pinhole])),
        ...Object.fromEntries(SIZES.map((size) => [`Neutron: ${size} namespaces, s`, (resyncs[size] as { neutron: number }).neutron])),
        'Pinhole: without rules on restart, s': gap.pinhole,
        'Neutron: without rules on restart, s (IPv4)': gap.neutron,
      },
    },
    {
      what: `memory of all agent processes, ${SIZES[1]} routers`,
      target: '≤ 1/3 of the original’s PSS',
      ok: memory.pinhole <= memory.neutron / 3,
      figures: {
        'Pinhole: supervisor, agent and kernel process, PSS MiB': round(memory.pinhole),
        'Neutron: L3 agent and its privsep daemons, PSS MiB': round(memory.neutron),
      },
    },
  ];
}

/** Reads the lines of `nft monitor` in a namespace as they appear. */
class Monitor {
  readonly #netns: string;
  readonly #child: ChildProcess;
  readonly #listeners = new Set<(line: string) => void>();

  constructor(netns: string) {
    this.#netns = netns;
    this.#child = spawn('ip', ['netns', 'exec', netns, 'stdbuf', '-oL', 'nft', 'monitor'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let rest = '';
    this.#child.stdout?.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() as string;
      for (const line of lines) for (const listener of [...this.#listeners]) listener(line);
    });
  }

  async started(): Promise<void> {
    const seen = this.all([(line) => line.includes('phb-probe')]);
    const timer = setInterval(
      () => void run('ip', ['netns', 'exec', this.#netns, 'nft', 'add table inet phb-probe; delete table inet phb-probe']),
      POLL_MS * 5,
    );
    await seen;
    clearInterval(timer);
  }

  /** @returns the time at which all patterns had matched a line */
  all(conditions: readonly ((line: string) => boolean)[]): Promise<number> {
    const left = new Set(conditions);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`nft monitor in ${this.#netns} did not tell of it`)), PATIENCE_MS);
      const listener = (line: string) => {
        for (const condition of left) if (condition(line)) left.delete(condition);
        if (left.size > 0) return;
        this.#listeners.delete(listener);
        clearTimeout(timer);
        resolve(performance.now());
      };
      this.#listeners.add(listener);
    });
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}
