import { randomUUID } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { Agent } from '../src/agent/agent.ts';
import { ServerClient } from '../src/agent/server-client.ts';
import { RabbitBus } from '../src/bus/rabbitmq.ts';
import { FakeKernel } from '../src/kernel/fake/fake-kernel.ts';
import { silentLogger } from '../src/ports/logger.ts';
import { systemPorts } from '../src/ports/ports.ts';
import { eventually } from '../test/support/eventually.ts';
import { RabbitNode } from '../test/support/rabbitmq.ts';
import { newFolder } from './folder.ts';
import { type Result, round, summarise } from './measure.ts';
import { seedPostgres } from './seed.ts';
import type { ServerProcess } from './server-process.ts';

const SIZES = [10, 100, 1_000] as const;
const ROUTERS_EACH = 100;
const CHANGES = 400;
const CLOCK_TICKS = 100;
/** Allowed ratio of the largest fleet's cost to the smallest's: caches differ, and so does the load of the machine. */
const TOLERANCE = 1.5;
const LONG_MS = 600_000;

interface Host {
  readonly kernel: FakeKernel;
  readonly agent: Agent;
  readonly bus: RabbitBus;
}

interface Figures {
  readonly serverCpuMs: number;
  readonly liveMs: number;
  readonly pulls: number;
  readonly applies: number;
  readonly startSeconds: number;
  readonly stormSeconds: number;
  readonly stormCpuMs: number;
  readonly stormWrites: number;
}

/**
 * Measures fleets of 10, 100 and 1,000 hosts with 100 routers × 4 helpers each. Server, PostgreSQL, RabbitMQ and agents are real, the
 * kernels simulated. The cost of one change must not depend on the number of hosts.
 */
export async function benchScale(): Promise<Result[]> {
  const found = new Map<number, Figures>();
  for (const size of SIZES) found.set(size, await fleetOf(size));
  const [small, large] = [found.get(SIZES[0]), found.get(SIZES[2])] as [Figures, Figures];
  const rows = (name: string, value: (figures: Figures) => number) =>
    Object.fromEntries([...found].map(([size, figures]) => [`${name}, ${size} hosts`, round(value(figures))]));
  return [
    {
      what: `cost of a change in fleets of ${SIZES.join(', ')} hosts × ${ROUTERS_EACH} routers × 4 helpers`,
      target: `with ${SIZES[2]} hosts ≤ ${TOLERANCE} × what it is with ${SIZES[0]}; one pull and one table a change; agents that come back write nothing`,
      ok:
        large.serverCpuMs <= TOLERANCE * small.serverCpuMs &&
        [...found.values()].every(({ pulls, applies, stormWrites }) => pulls <= 1.1 && applies <= 1.1 && stormWrites === 0),
      figures: {
        ...rows('server CPU a change, ms', ({ serverCpuMs }) => serverCpuMs),
        ...rows('POST sent → applied p50, ms', ({ liveMs }) => liveMs),
        ...rows('pulls a change', ({ pulls }) => pulls),
        ...rows('tables written a change', ({ applies }) => applies),
        ...rows('all agents start with nothing, s', ({ startSeconds }) => startSeconds),
        ...rows('broker restarts: all agents are back, s', ({ stormSeconds }) => stormSeconds),
        ...rows('server CPU of that, ms a host', ({ stormCpuMs }) => stormCpuMs),
      },
    },
  ];
}

async function fleetOf(size: number): Promise<Figures> {
  const rabbit = await new RabbitNode().start();
  const directory = newFolder(join(tmpdir(), 'phb-scale-'));
  const ids = Array.from({ length: size * ROUTERS_EACH }, () => randomUUID());
  const hostIndex = (router: number) => router % size;
  const bus = `bus: { url: '${rabbit.url()}', agent_user: any, server_users: [any] }\n`;
  const { server, close } = await seedPostgres(ids, { hostOf: (index) => `h${hostIndex(index)}`, config: bus });
  const hosts: Host[] = [];
  try {
    const start = performance.now();
    for (let index = 0; index < size; index++) hosts.push(startHost(index, { size, rabbit, directory }));
    const settled = () => hosts.every(({ agent }) => agent.isSettled) && writesOf(hosts) >= ids.length;
    await eventually(settled, { what: 'all agents settle', timeoutMs: LONG_MS });
    const startSeconds = (performance.now() - start) / 1000;
    await quiet(server);
    const change = await changes(server, hosts, ids);
    await quiet(server);
    const storm = await brokerRestarts(server, hosts, rabbit);
    return { ...change, ...storm, startSeconds };
  } finally {
    await Promise.all(hosts.map(({ agent }) => agent.close()));
    await Promise.all(hosts.map(({ bus }) => bus.close()));
    await close();
    await rabbit.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

function startHost(index: number, { size, rabbit, directory }: { size: number; rabbit: RabbitNode; directory: string }): Host {
  const kernel = new FakeKernel();
  for (let router = 0; router < ROUTERS_EACH; router++) kernel.addNamespace(`n${router * size + index}`);
  const host = `h${index}`;
  const bus = new RabbitBus({
    broker: rabbit.broker({ heartbeatSeconds: 60 }),
    exchange: 'pinhole',
    declares: true,
    name: host,
    signs: false,
    trusted: null,
    ...systemPorts(silentLogger),
  });
  const agent = new Agent({
    host,
    version: 'bench',
    kernel,
    source: new ServerClient(bus, host),
    ...systemPorts(silentLogger),
    statePath: join(directory, host),
    resyncSeconds: 3600,
    checkSeconds: 3600,
    reportSeconds: 600,
    firstPullSeconds: 3600,
    maxStateAgeSeconds: 1,
    holdRemovalsPercent: 25,
    keepLive: false,
  });
  agent.start();
  return { kernel, agent, bus };
}

/** Measures single changes, one after the other, on random routers. */
async function changes(server: ServerProcess, hosts: readonly Host[], ids: readonly string[]) {
  const before = { cpu: cpuMs(server.pid), pulls: pullsOf(hosts), writes: writesOf(hosts) };
  const live: number[] = [];
  for (let index = 0; index < CHANGES; index++) {
    const router = Math.floor(Math.random() * ids.length);
    const { kernel } = hosts[router % hosts.length] as Host;
    const applied = kernel.counts.applies;
    const start = performance.now();
    const body = JSON.stringify({ conntrack_helper: { protocol: 'tcp', port: 10_000 + index, helper: 'ftp' } });
    const headers = { authorization: `Bearer ${server.token}`, 'content-type': 'application/json' };
    const { status } = await fetch(new URL(`/v2.0/routers/${ids[router]}/conntrack_helpers`, server.url), {
      method: 'POST',
      headers,
      body,
    });
    if (status !== 201) throw new Error(`a change was answered with ${status}`);
    await eventually(() => kernel.counts.applies > applied);
    live.push(performance.now() - start);
  }
  await quiet(server);
  return {
    serverCpuMs: (cpuMs(server.pid) - before.cpu) / CHANGES,
    liveMs: summarise(live).p50,
    pulls: (pullsOf(hosts) - before.pulls) / CHANGES,
    applies: (writesOf(hosts) - before.writes) / CHANGES,
  };
}

async function brokerRestarts(server: ServerProcess, hosts: readonly Host[], rabbit: RabbitNode) {
  const before = { cpu: cpuMs(server.pid), writes: writesOf(hosts), pulls: hosts.map(({ agent }) => agent.counts.pulls) };
  await rabbit.kill();
  await rabbit.launch();
  const start = performance.now();
  const isBack = ({ agent }: Host, index: number) => agent.counts.pulls > (before.pulls[index] as number) && agent.isSettled;
  await eventually(() => hosts.every(isBack), { what: 'all agents are back', timeoutMs: LONG_MS });
  const stormSeconds = (performance.now() - start) / 1000;
  await quiet(server);
  return { stormSeconds, stormCpuMs: (cpuMs(server.pid) - before.cpu) / hosts.length, stormWrites: writesOf(hosts) - before.writes };
}

/** Waits until the server is idle: after a change, reports still arrive for a while. */
async function quiet(server: ServerProcess): Promise<void> {
  for (let last = -1; ; ) {
    const now = cpuMs(server.pid);
    if (now - last <= 20) return;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

function writesOf(hosts: readonly Host[]): number {
  return hosts.reduce((sum, { kernel }) => sum + kernel.counts.applies, 0);
}

function pullsOf(hosts: readonly Host[]): number {
  return hosts.reduce((sum, { agent }) => sum + agent.counts.pulls, 0);
}

/** CPU time of a process, user and system (utime and stime of proc(5)). */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return ((Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS) * 1000;
}
