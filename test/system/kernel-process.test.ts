import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ANY_NUMBER } from '../../src/client/answer.ts';
import { AGENT } from '../../src/contract/agent.ts';
import { list } from '../../src/contract/compounds.ts';
import { record } from '../../src/contract/record.ts';
import { RemoteKernel } from '../../src/kernel/remote.ts';
import { ownPrefix, ScratchNetwork } from '../../src/lab/scratch-network.ts';
import { CLI } from '../support/cli-path.ts';
import { eventually } from '../support/eventually.ts';
import { Follower } from '../support/follower.ts';
import { TestPinhole } from '../support/pinhole.ts';
import { realPorts } from '../support/ports.ts';
import { freePorts } from '../support/rabbitmq.ts';

const PREFIX = `${ownPrefix('pht')}-kp`;
const DEADLINE_SECONDS = 1;
const CHECK_SECONDS = 2;
/** Loaded by each process: the kernel process then hangs in a loop at SIGUSR2. */
const AGENTS = record({ agents: list(AGENT, ANY_NUMBER) });
const LOOP = "if (process.argv.includes('kernel-process')) process.on('SIGUSR2', () => { for (;;); });";

describe('a kernel process that does not do its work', () => {
  const network = new ScratchNetwork(PREFIX);
  const pinhole = new TestPinhole(PREFIX, `agent: { check_seconds: ${CHECK_SECONDS}, report_seconds: 1 }\n`, {
    deadlineSeconds: DEADLINE_SECONDS,
  });
  let router: string;
  let agentUrl: string;

  beforeAll(async () => {
    const hook = join(pinhole.directory, 'loop.mjs');
    writeFileSync(hook, LOOP);
    pinhole.instance.env['SECRET_OF_ANOTHER_PROGRAM'] = 'of a test';
    pinhole.instance.env['NODE_OPTIONS'] = `--import ${hook}`;
    const [port = 0] = await freePorts(1);
    agentUrl = `http://127.0.0.1:${port}`;
    pinhole.instance.env['PINHOLE_AGENT_LISTEN'] = `127.0.0.1:${port}`;
    await network.addHost('r');
    await pinhole.start();
    router = (await pinhole.addRouter(network.netns('r'))).id;
    await pinhole.addHelper(router, 'ftp', 'tcp', 21);
  });
  beforeEach(async () => {
    const isUp = async () => (await pinhole.read(AGENTS, 'GET', '/v1/agents')).agents[0]?.kernel?.up === true;
    await eventually(isUp, { what: 'the kernel process answers', timeoutMs: 60_000 });
    await eventually(async () => (await statuses()).join() === 'ACTIVE', { what: 'the helper is ACTIVE', timeoutMs: 60_000 });
  });
  afterAll(async () => {
    await pinhole.stop();
    await network.destroy();
  });

  const familyOf = async (port: number) => (await pinhole.status(router)).helpers.find((helper) => helper.port === port)?.families[0];
  const statuses = async () => (await pinhole.status(router)).helpers.map(({ families }) => families[0]?.status);
  /** Whether a server or an agent is ready, and why not. */
  async function readiness(url: string): Promise<string> {
    const answer = await fetch(`${url}/readyz`);
    const { reason = '' } = (await answer.json()) as { reason?: string };
    return `${answer.status} ${reason}`.trim();
  }

  /** Runs `pinhole status --check` with more arguments. */
  async function check(...argv: string[]): Promise<{ code: number; stdout: string }> {
    const env = { PATH: process.env['PATH'], PINHOLE_URL: pinhole.instance.url, PINHOLE_TOKEN: pinhole.instance.token };
    return promisify(execFile)(process.execPath, [CLI, 'status', '--check', ...argv], { env }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      ({ code, stdout }) => ({ code, stdout }),
    );
  }

  const kernelPid = () => pinhole.instance.pids().get('kernel') ?? 0;

  async function assignedPorts(): Promise<number[]> {
    const { stdout } = await network.exec('r', ['nft', 'list', 'ruleset']);
    return [...stdout.matchAll(/(\d+) : "ftp-tcp"/g)].map(([, port]) => Number(port));
  }

  it.each<[string, (pid: number) => void, RegExp]>([
    ['is stopped', (pid) => process.kill(pid, 'SIGSTOP'), /kernel has given no sign of life for 1 s; killing it/],
    ['hangs in a loop', (pid) => process.kill(pid, 'SIGUSR2'), /kernel has given no sign of life for 1 s; killing it/],
    ['is killed', (pid) => process.kill(pid, 'SIGKILL'), /kernel ended \(SIGKILL\)/],
    ['has lost its socket', () => rmSync(pinhole.instance.files.kernelSocket), /kernel has given no sign of life for 1 s; killing it/],
  ])('is replaced by another when it %s, and the rules are repaired', async (_what, harm, said) => {
    const [before, logged] = [kernelPid(), pinhole.instance.log.length];
    harm(before);
    await network.nft('r', 'delete table inet pinhole');
    await eventually(() => kernelPid() !== 0 && kernelPid() !== before, { what: 'another kernel process', timeoutMs: 30_000 });
    await eventually(async () => (await assignedPorts()).join() === '21', { what: 'the rules are back', timeoutMs: 30_000 });
    expect(pinhole.instance.log.slice(logged)).toMatch(said);
  });

  it('repairs a table that another client of the kernel process removes, and counts it as drift', async () => {
    const { drifts } = await pinhole.status(router);
    const other = new RemoteKernel(pinhole.instance.files.kernelSocket, realPorts);
    try {
      await eventually(() => other.isUp);
      const netns = network.netns('r');
      const comment = (await other.namespaces()).find((one) => one.netns === netns)?.comment ?? null;
      expect(await other.apply([{ netns, table: null, replaces: comment }])).toMatchObject([{ ok: true }]);
    } finally {
      await other.close();
    }
    await eventually(async () => (await assignedPorts()).join() === '21', { what: 'the rules are back' });
    await eventually(async () => (await pinhole.status(router)).drifts > drifts, { what: 'it is counted' });
  });

  it('has none of the secrets in the environment of the supervisor, and the others have only what they read', () => {
    const environmentOf = (name: 'kernel' | 'server' | 'agent') =>
      readFileSync(`/proc/${pinhole.instance.pids().get(name)}/environ`, 'utf8')
        .split('\0')
        .map((entry) => entry.split('=')[0]);
    expect(environmentOf('kernel').filter((name) => /^PINHOLE_|SECRET/.test(name ?? ''))).toEqual(['PINHOLE_LIFE_SIGN_MS']);
    expect(environmentOf('agent')).not.toContain('SECRET_OF_ANOTHER_PROGRAM');
    expect(environmentOf('server')).not.toContain('SECRET_OF_ANOTHER_PROGRAM');
    expect(environmentOf('server')).toContain('PINHOLE_RUN_DIR');
  });

  it('goes on while a client sends it 30 MB, and others hold all its places', async () => {
    const before = kernelPid();
    const idle = Array.from({ length: 30 }, () => createConnection(pinhole.instance.files.kernelSocket).on('error', () => undefined));
    const large = createConnection(pinhole.instance.files.kernelSocket);
    const closed = new Promise((done) => large.on('error', done).on('close', done));
    const header = Buffer.alloc(4);
    header.writeUInt32BE(30_000_000);
    large.write(header);
    large.write(Buffer.alloc(30_000_000, '['));
    await closed;
    const added = await pinhole.addHelper(router, 'irc', 'tcp', 6667);
    await eventually(async () => (await familyOf(6667))?.status === 'ACTIVE', { what: 'a new helper is ACTIVE' });
    await pinhole.removeHelper(router, added.id);
    for (const socket of idle) socket.destroy();
    expect(kernelPid()).toBe(before);
  });

  /** Stops the supervisor: then the kernel process stays as it is, as under a service manager that does not notice. */
  async function whileKernelIs(harm: (pid: number) => void, work: () => Promise<void>): Promise<void> {
    const [supervisor, kernel] = [pinhole.instance.pid, kernelPid()];
    process.kill(supervisor, 'SIGSTOP');
    try {
      harm(kernel);
      await work();
    } finally {
      process.kill(supervisor, 'SIGCONT');
    }
    await eventually(() => kernelPid() !== 0 && kernelPid() !== kernel, { what: 'another kernel process', timeoutMs: 30_000 });
  }

  it.each<[string, (pid: number) => void]>([
    ['is stopped', (pid) => process.kill(pid, 'SIGSTOP')],
    ['hangs in a loop', (pid) => process.kill(pid, 'SIGUSR2')],
    ['has ended', (pid) => process.kill(pid, 'SIGKILL')],
  ])('that %s is told of everywhere; what it enforced is STALE after the bound, and what is new is PENDING', async (_what, harm) => {
    const logged = pinhole.instance.log.length;
    const follower = await new Follower().open({ url: pinhole.instance.url, token: pinhole.instance.token });
    const became = () => follower.events.filter(({ data }) => data.kind === 'host').map(({ data }) => data.data['became']);
    let added = '';
    await whileKernelIs(harm, async () => {
      await network.nft('r', 'delete table inet pinhole');
      added = (await pinhole.addHelper(router, 'tftp', 'udp', 69)).id;
      const away = /the kernel process (on here|of this host) (does not answer|went away|does not answer 'observe')/;
      await eventually(
        async () => {
          const [old, young] = [await familyOf(21), await familyOf(69)];
          return old?.status === 'STALE' && away.test(old.reason) && young?.status === 'PENDING' && away.test(young.reason);
        },
        { what: 'STALE and PENDING, with the reason', timeoutMs: 30_000 },
      );
      expect((await familyOf(21))?.reason).toMatch(/^not verified since 20\S+Z: the kernel process /);
      expect((await pinhole.status(router)).reason).toMatch(away);
      expect(await readiness(agentUrl)).toMatch(/^503 the kernel process (does not answer|went away)/);
      expect(await readiness(pinhole.instance.url)).toMatch(/^503 the kernel process on here (does not answer|went away)/);
      expect(await (await fetch(`${agentUrl}/metrics`)).text()).toMatch(/^pinhole_agent_kernel_process_up 0$/m);
      const summary =
        /^2 helpers: 1 STALE, 1 PENDING; 1 host, 1 whose kernel process does not answer(?:;\s+1 router not confined)?\nThe kernel process on here /;
      for (const argv of [[], ['--agent', '--url', agentUrl]]) {
        // Times in reports are cut to the second, so the server may call a helper STALE up to a second before its agent does.
        const isSaid = async () => {
          const { code, stdout } = await check(...argv);
          return code === 1 && summary.test(stdout);
        };
        await eventually(isSaid, { what: `status --check ${argv} says so`, timeoutMs: 10_000 });
      }
      expect(pinhole.instance.log.slice(logged)).toMatch(
        /"msg":"the kernel process (does not answer|went away)[^"]*: rules stay as they are/,
      );
    });
    await pinhole.removeHelper(router, added);
    await eventually(async () => (await statuses()).join() === 'ACTIVE', { what: 'ACTIVE again', timeoutMs: 30_000 });
    expect(await assignedPorts()).toEqual([21]);
    await eventually(async () => (await readiness(pinhole.instance.url)) === '200', { what: 'ready again' });
    await eventually(() => became().includes('kernel back'), { what: 'an event says so' });
    follower.close();
    expect(became()).toEqual(['kernel away', 'kernel back']);
    expect(await readiness(agentUrl)).toBe('200');
    expect((await check()).code).toBe(0);
  });
});
