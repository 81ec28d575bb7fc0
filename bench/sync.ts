import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Agent } from '../src/agent/agent.ts';
import { ServerClient } from '../src/agent/server-client.ts';
import type { Bus } from '../src/bus/interface.ts';
import type { Capabilities } from '../src/contract/agent.ts';
import type { DesiredRouter } from '../src/contract/desired-router.ts';
import type { HelperId, RouterId } from '../src/contract/primitives.ts';
import { loadLibc } from '../src/kernel/linux/libc.ts';
import { NetlinkSocket } from '../src/kernel/linux/netlink-socket.ts';
import { encodeReplacement } from '../src/kernel/linux/nft-encode.ts';
import { LocalOpener } from '../src/kernel/linux/opener.ts';
import { RemoteKernel } from '../src/kernel/remote.ts';
import { ownPrefix, ScratchNetwork } from '../src/lab/scratch-network.ts';
import { capabilityKey, FAMILIES, KERNEL_HELPERS } from '../src/model/catalogue.ts';
import type { Table } from '../src/model/table.ts';
import { render } from '../src/plan/render.ts';
import { tableText } from '../src/plan/text.ts';
import { silentLogger } from '../src/ports/logger.ts';
import { systemPorts } from '../src/ports/ports.ts';
import { KERNEL_NODE_FLAGS } from '../src/supervisor/programs.ts';
import { PULL } from '../src/wire/messages.ts';
import { METHODS } from '../src/wire/topics.ts';
import { newFolder } from './folder.ts';
import { LibnftablesLoop } from './libnftables.ts';
import { median, milliseconds, type Result, round } from './measure.ts';

const PREFIX = `${ownPrefix('phb')}-sync`;
const COUNT = 1000;
const SPAWNS = 40;
const ROUNDS = 5;
const CLI = fileURLToPath(new URL('../pinhole/cli.js', import.meta.url));

const CAPABILITIES: Capabilities = {
  kernelRelease: '',
  helpers: KERNEL_HELPERS.flatMap(({ type, protocol }) => FAMILIES.map((family) => capabilityKey(type, protocol, family))),
  missingNat: [],
  conntrackEvents: true,
};

/** Measures syncs of 1,000 namespaces × 4 helpers by agent and kernel process, interleaved with the alternatives. */
export async function benchSync(): Promise<Result[]> {
  const network = new ScratchNetwork(PREFIX);
  const names = Array.from({ length: COUNT }, (_, index) => `n${index}`);
  await network.addHosts(names);
  const netns = names.map((name) => network.netns(name));
  const kernel = await KernelProcess.start();
  try {
    const routers = netns.map(router);
    const table = render(routers[0] as DesiredRouter, CAPABILITIES, new Date(0)).table as Table;
    const kept = new LibnftablesLoop(netns);
    const raw = rawSockets(netns);
    const times = { agent: [] as number[], libnftables: [] as number[], raw: [] as number[] };
    const text = `add table inet pinhole\ndelete table inet pinhole\n${tableText(table)}`;
    kept.load(text);
    let resync: Resync | null = null;
    for (let round = 0; round < ROUNDS; round++) {
      removeTables(raw);
      times.libnftables.push(await milliseconds(() => kept.load(text)));
      removeTables(raw);
      times.raw.push(await milliseconds(() => replay(raw, table)));
      removeTables(raw);
      const run = await coldAgent(kernel, routers);
      times.agent.push(run.coldMs);
      resync = await run.resync();
      await run.close();
    }
    const spawned = spawnNft(netns.slice(0, SPAWNS), text);
    kept.close();
    closeRaw(raw);
    return report({ times, spawnedMs: spawned * (COUNT / SPAWNS), resync: resync as Resync, peakMiB: kernel.peakMiB() });
  } finally {
    await kernel.close();
    await network.destroy();
  }
}

function report(found: {
  times: { agent: number[]; libnftables: number[]; raw: number[] };
  spawnedMs: number;
  resync: Resync;
  peakMiB: number;
}): Result[] {
  const { times, spawnedMs, resync, peakMiB } = found;
  const agent = median(times.agent);
  const kept = median(times.libnftables);
  return [
    {
      what: `cold sync of ${COUNT} namespaces × 4 helpers, agent's loop`,
      target: '≤ 2 × kept libnftables contexts, ≥ 20 × faster than spawning nft',
      ok: agent <= 2 * kept && spawnedMs >= 20 * agent,
      figures: {
        'agent, ms': agent,
        'kept libnftables contexts, ms': kept,
        'raw nfnetlink replay, ms': median(times.raw),
        'spawning ip netns exec nft, ms': round(spawnedMs),
        'agent / kept contexts': round(agent / kept),
        'spawning / agent': round(spawnedMs / agent),
      },
    },
    {
      what: 'resync when nothing changed',
      target: '0 writes; ≤ 0.1 ms a router by cookie and generation; deep verification ≤ 0.5 ms a router',
      ok: resync.writes === 0 && resync.shallowMs / COUNT <= 0.1 && resync.deepMs / COUNT <= 0.5,
      figures: {
        writes: resync.writes,
        'by cookie and generation, ms a router': round(resync.shallowMs / COUNT),
        'deep verification, ms a router': round(resync.deepMs / COUNT),
      },
    },
    {
      what: 'kernel process, peak memory in cold resyncs',
      target: '≤ 120 MiB',
      ok: peakMiB <= 120,
      figures: { 'VmHWM, MiB': peakMiB },
    },
  ];
}

function router(netns: string, index: number): DesiredRouter {
  const id = (kind: string) => `00000000-0000-4000-${kind}-${index.toString(16).padStart(12, '0')}`;
  const helpers = [
    ['ftp', 'tcp', 21],
    ['tftp', 'udp', 69],
    ['sip', 'udp', 5060],
    ['pptp', 'tcp', 1723],
  ] as const;
  return {
    id: id('8000') as RouterId,
    name: netns,
    netns,
    revision: 1,
    confinement: null,
    helpers: helpers.map(([helper, protocol, port], at) => ({
      id: id(`900${at}`) as HelperId,
      helper,
      protocol,
      port,
      scope: null,
      expiresAt: null,
    })),
  };
}

interface Resync {
  readonly writes: number;
  readonly shallowMs: number;
  readonly deepMs: number;
}

/** Starts an agent without saved state, next to a server that has all routers. */
async function coldAgent(kernel: KernelProcess, routers: readonly DesiredRouter[]) {
  const remote = await kernel.connect();
  const directory = newFolder(join(tmpdir(), 'phb-'));
  const agent = new Agent({
    host: 'bench',
    version: 'bench',
    kernel: remote,
    source: new ServerClient(serverBus(routers), 'bench'),
    ...systemPorts(silentLogger),
    statePath: join(directory, 'state'),
    resyncSeconds: 3600,
    checkSeconds: 3600,
    reportSeconds: 3600,
    firstPullSeconds: 3600,
    maxStateAgeSeconds: 1,
    holdRemovalsPercent: 25,
    keepLive: false,
  });
  const coldMs = await milliseconds(async () => {
    agent.start();
    await until(() => agent.counts.writes >= routers.length && agent.isSettled);
  });
  const before = agent.counts;
  return {
    coldMs,
    resync: async (): Promise<Resync> => {
      const known = await versions(remote, routers);
      const ask = (withVersion: boolean) =>
        remote.observe(routers.map(({ netns }, index) => ({ netns, known: withVersion ? (known[index] ?? null) : null })));
      const shallowMs = await milliseconds(() => ask(true));
      const deepMs = await milliseconds(() => ask(false));
      return { writes: agent.counts.writes - before.writes, shallowMs, deepMs };
    },
    close: async () => {
      await agent.close();
      await remote.close();
      rmSync(directory, { recursive: true });
    },
  };
}

async function versions(remote: RemoteKernel, routers: readonly DesiredRouter[]) {
  const observed = await remote.observe(routers.map(({ netns }) => ({ netns, known: null })));
  return observed.map((result) =>
    result.ok && !result.value.unchanged ? { cookie: result.value.cookie, generation: result.value.generation } : null,
  );
}

function serverBus(routers: readonly DesiredRouter[]): Bus {
  const items = routers.map((value) => ({ ok: true as const, value }));
  return {
    refused: 0,
    cast: async () => undefined,
    call: async (_topic, method) =>
      method === METHODS.bulkPull ? PULL.answer.write({ epoch: 'bench', routers: items, marker: null, unchanged: false }) : null,
    serve: () => undefined,
    onLink: (listener) => setImmediate(() => listener(true)),
    close: async () => undefined,
  };
}

/** Starts the real kernel process as the supervisor does, but as root. */
class KernelProcess {
  readonly #directory: string;
  readonly #child: ReturnType<typeof spawn>;

  private constructor(directory: string, child: ReturnType<typeof spawn>) {
    this.#directory = directory;
    this.#child = child;
  }

  static async start(): Promise<KernelProcess> {
    const directory = newFolder(join(tmpdir(), 'phb-kernel-'));
    const options = {
      socket: join(directory, 'kernel.sock'),
      namespaces: [`${PREFIX}-*`],
      hostNamespace: false,
      deadlineSeconds: 60,
      logLevel: 'error',
    };
    const child = spawn(process.execPath, [...KERNEL_NODE_FLAGS, CLI, 'kernel-process', JSON.stringify(options)], { stdio: 'inherit' });
    return new KernelProcess(directory, child);
  }

  async connect(): Promise<RemoteKernel> {
    const remote = new RemoteKernel(join(this.#directory, 'kernel.sock'), systemPorts(silentLogger));
    await until(() => remote.isUp);
    return remote;
  }

  peakMiB(): number {
    const status = execFileSync('cat', [`/proc/${this.#child.pid}/status`], { encoding: 'utf8' });
    return round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill('SIGTERM');
    await ended;
    rmSync(this.#directory, { recursive: true });
  }
}

interface Raw {
  readonly sockets: readonly NetlinkSocket[];
  readonly buffer: Buffer;
  readonly libc: ReturnType<typeof loadLibc>;
}

function rawSockets(netns: readonly string[]): Raw {
  const libc = loadLibc();
  const opener = new LocalOpener(libc);
  const sockets = netns.map((name) => new NetlinkSocket(libc, opener.open(name, ['netfilter']).fds[0] as number));
  opener.close();
  return { sockets, buffer: Buffer.alloc(65536), libc };
}

function replay({ sockets, buffer }: Raw, table: Table | null): void {
  const { bytes } = encodeReplacement(table);
  for (const socket of sockets) if (socket.transact(bytes, buffer) !== null) throw new Error('the kernel refused the table');
}

function removeTables(raw: Raw): void {
  replay(raw, null);
}

function closeRaw({ sockets, libc }: Raw): void {
  for (const { fd } of sockets) libc.closeLater(fd);
}

/** @returns ms for all namespaces together */
function spawnNft(netns: readonly string[], text: string): number {
  const start = performance.now();
  for (const name of netns) {
    const { status, stderr } = spawnSync('ip', ['netns', 'exec', name, 'nft', '-f', '-'], { input: text, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  }
  return performance.now() - start;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}
