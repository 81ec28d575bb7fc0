import { execFile } from 'node:child_process';
import { chownSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ownPrefix, ScratchNetwork } from '../../src/lab/scratch-network.ts';
import { installationOf } from '../../src/model/table.ts';
import { CLI } from '../support/cli-path.ts';
import { eventually } from '../support/eventually.ts';
import { TestPinhole } from '../support/pinhole.ts';

const PREFIX = `${ownPrefix('pht')}-own`;

/** What a command printed, and its exit status. */
interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe('two installations on one host', () => {
  const network = new ScratchNetwork(PREFIX);
  const open: TestPinhole[] = [];
  let nextHost = 0;

  beforeAll(() => network.addHost('unused'));
  afterEach(async () => {
    for (const pinhole of open.splice(0)) await pinhole.stop();
  });
  afterAll(() => network.destroy());

  /** An installation with folders of its own that serves the same namespaces as the others. */
  async function installed(): Promise<TestPinhole> {
    const made = new TestPinhole(PREFIX);
    open.push(made);
    await made.start();
    return made;
  }

  /** The environment of a client of the installation. */
  const clientOf = ({ instance: { url, token } }: TestPinhole) => ({ PINHOLE_URL: url, PINHOLE_TOKEN: token });

  async function addHost(): Promise<string> {
    const host = `h${nextHost++}`;
    await network.addHost(host);
    return host;
  }

  /** The table as nft lists it; empty for none. */
  async function table(host: string): Promise<string> {
    const listed = network.exec(host, ['nft', '-a', 'list', 'table', 'inet', 'pinhole']);
    return listed.then(
      ({ stdout }) => stdout,
      (error: { stderr?: string }) => {
        if (error.stderr?.includes('No such file or directory')) return '';
        throw error;
      },
    );
  }

  /** Where the agent answers: its port is a free one. */
  function agentAddress(pinhole: TestPinhole): string {
    const pid = pinhole.instance.pids().get('agent');
    const inodes = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? [];
      return inode ?? [];
    });
    for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n')) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      if (state === '0A' && inodes.includes(inode)) return `127.0.0.1:${Number.parseInt(local.split(':')[1] ?? '', 16)}`;
    }
    throw new Error('the agent listens nowhere');
  }

  const ownerOf = (text: string) => installationOf(/comment "([^"]*)"/.exec(text)?.[1] ?? '');

  /** Declares a router with one helper and waits until it is live. */
  async function serve(pinhole: TestPinhole, host: string, helper = 'ftp'): Promise<{ router: string; live: string }> {
    const { id } = await pinhole.addRouter(network.netns(host));
    await pinhole.addHelper(id, helper, helper === 'ftp' ? 'tcp' : 'udp', helper === 'ftp' ? 21 : 69);
    await pinhole.settled(id);
    // The first report may say that another installation has not given the namespace up yet.
    await eventually(async () => (await table(host)).includes(`type "${helper}"`), { what: `${helper} is live in ${host}` });
    return { router: id, live: await table(host) };
  }

  function run(pinhole: TestPinhole, argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    return new Promise((done) => {
      const options = { env: { ...pinhole.instance.env, ...env }, timeout: 60_000 };
      execFile(process.execPath, [CLI, ...argv], options, (error, stdout, stderr) =>
        done({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
      );
    });
  }

  /** A second `pinhole up` beside one that runs. */
  const startAgain = (pinhole: TestPinhole, env: NodeJS.ProcessEnv = {}) =>
    run(pinhole, ['up', '--config', join(pinhole.directory, 'pinhole.yaml')], env);

  it('a start with an empty folder takes no table away, says whose they are, and the first one goes on as if nothing had been', async () => {
    const a = await installed();
    const [edge, other] = [await addHost(), await addHost()];
    const [mine, unserved] = [await serve(a, edge), await serve(a, other, 'tftp')];
    await a.instance.stop();

    const b = await installed();
    const { id } = await b.addRouter(network.netns(edge));
    await b.addHelper(id, 'tftp', 'udp', 69);
    const { reason, helpers } = await b.settled(id);
    expect(reason).toContain(`belongs to installation ${ownerOf(mine.live)}; it is left alone`);
    expect(helpers[0]?.families.map(({ status }) => status)).toEqual(['ERROR', 'ERROR']);
    await b.call('DELETE', `/v1/routers/${id}`);
    await eventually(() => b.instance.log.includes('a table is left alone'));
    await b.instance.stop();
    expect([await table(edge), await table(other)]).toEqual([mine.live, unserved.live]);

    await a.instance.start();
    const again = await a.settled(mine.router);
    expect(again.helpers[0]?.families.map(({ status }) => status)).toEqual(['ACTIVE', 'ACTIVE']);
    expect([await table(edge), await table(other)]).toEqual([mine.live, unserved.live]);
  });

  it('two that run serve their own namespaces, and neither cuts the other off', async () => {
    const [a, b] = [await installed(), await installed()];
    const [edge, other] = [await addHost(), await addHost()];
    const [ofA, ofB] = [await serve(a, edge), await serve(b, other)];
    expect(ownerOf(ofA.live)).not.toBe(ownerOf(ofB.live));
    for (const [pinhole, { router }] of [
      [a, ofA],
      [b, ofB],
    ] as const) {
      await pinhole.addHelper(router, 'tftp', 'udp', 69);
      await pinhole.settled(router);
    }
    expect(await table(edge)).toMatch(/type "ftp"[\s\S]*type "tftp"/);
    expect(await table(other)).toMatch(/type "ftp"[\s\S]*type "tftp"/);
    // What one gives up, the other may take.
    await a.call('DELETE', `/v1/routers/${ofA.router}`);
    await eventually(async () => (await table(edge)) === '');
    expect(ownerOf((await serve(b, edge)).live)).toBe(ownerOf(ofB.live));
  });

  it.each([
    ['data folder', (a: TestPinhole) => ({ PINHOLE_RUN_DIR: join(a.directory, 'other-run') })],
    ['run folder', (a: TestPinhole) => ({ PINHOLE_DATA_DIR: join(a.directory, 'other-data') })],
    ['pair of folders', () => ({})],
  ])('a second start on the same %s ends with one line, and the first one goes on', async (_what, env) => {
    const a = await installed();
    const edge = await addHost();
    const { router } = await serve(a, edge);
    const before = a.instance.pids();
    const { code, stdout, stderr } = await startAgain(a, env(a));
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^pinhole: \/\S+ is in use by another Pinhole \(process \d+\)\. Stop it first, or .*\n$/);
    await a.addHelper(router, 'tftp', 'udp', 69);
    await a.settled(router);
    expect(await table(edge)).toContain('type "tftp"');
    expect(a.instance.pids()).toEqual(before);
  });

  it('a start right after the supervisor was killed waits for its processes and takes their place', async () => {
    const a = await installed();
    const { router, live } = await serve(a, await addHost());
    process.kill(a.instance.pid, 'SIGKILL');
    await a.instance.start();
    expect((await a.settled(router)).reason).toBe('');
    expect(live).toContain(ownerOf(live) as string);
  });

  it('an emptied database takes no table away, and its installation can adopt them without a gap', async () => {
    const a = await installed();
    const edge = await addHost();
    const { live } = await serve(a, edge);
    await a.instance.stop();
    const server = dirname(a.instance.files.database);
    for (const name of readdirSync(server)) if (name.startsWith('pinhole.db')) rmSync(join(server, name));
    await a.instance.start();
    const { id } = await a.addRouter(network.netns(edge));
    await a.addHelper(id, 'ftp', 'tcp', 21);
    expect((await a.settled(id)).reason).toContain(`pinhole adopt ${ownerOf(live)}`);
    expect(await table(edge)).toBe(live);

    // Purge reads from the agent's state whose tables are its own.
    const isSaved = () => !readFileSync(a.instance.files.agentState, 'utf8').includes(ownerOf(live) as string);
    await eventually(isSaved, { what: 'the agent has saved whose it is now' });
    expect((await run(a, ['purge', '--netns', `${PREFIX}-*`])).stdout).toContain(`belongs to installation ${ownerOf(live)}; left alone`);
    expect(await table(edge)).toBe(live);
    const adopted = await run(a, ['adopt', ownerOf(live) as string, '--netns', `${PREFIX}-*`]);
    expect(adopted).toMatchObject({ code: 0, stdout: expect.stringContaining(`${network.netns(edge)}: now of installation `) });
    await eventually(async () => (await a.status(id)).helpers[0]?.families[0]?.status === 'ACTIVE');
    expect(ownerOf(await table(edge))).not.toBe(ownerOf(live));
    expect((await run(a, ['adopt', ownerOf(live) as string])).stdout).toBe(`no table of installation ${ownerOf(live)} found\n`);
  });

  it.each([
    [
      'on its host',
      (a: TestPinhole) => run(a, ['agent', 'confirm'], { PINHOLE_AGENT_LISTEN: agentAddress(a) }),
      'live helpers are removed',
    ],
    ['through the server', (a: TestPinhole) => run(a, ['host', 'confirm', 'here'], clientOf(a)), 'live helpers on here are removed'],
  ])('an older copy of the database removes no helper until an operator confirms it %s', async (_where, confirm, said) => {
    const a = await installed();
    const [edge, other] = [await addHost(), await addHost()];
    const { live, router } = await serve(a, edge);
    await a.instance.stop();
    const server = dirname(a.instance.files.database);
    const copy = join(a.directory, 'copy');
    mkdirSync(copy);
    const isDatabase = (name: string) => name.startsWith('pinhole.db');
    for (const name of readdirSync(server).filter(isDatabase)) copyFileSync(join(server, name), join(copy, name));
    await a.instance.start();
    const later = await serve(a, other, 'tftp');
    await a.instance.stop();
    for (const name of readdirSync(server).filter(isDatabase)) rmSync(join(server, name));
    const { uid, gid } = statSync(server);
    for (const name of readdirSync(copy)) {
      copyFileSync(join(copy, name), join(server, name));
      chownSync(join(server, name), uid, gid);
    }

    await a.instance.start();
    await eventually(async () => (await a.status(router)).reason.startsWith('held: '), { what: 'the pull is held', timeoutMs: 30_000 });
    expect((await a.status(router)).reason).toContain('would remove 1 of 2 live helpers, and its database is older than before');
    expect([await table(edge), await table(other)]).toEqual([live, later.live]);
    // The next heartbeat says so.
    const isListed = async () => (await run(a, ['host', 'list'], clientOf(a))).stdout.includes('would remove 1 of 2 live helpers');
    await eventually(isListed, { what: 'the list of hosts says so', timeoutMs: 60_000 });
    expect(await confirm(a)).toEqual({ code: 0, stdout: `confirmed: 1 of 2 ${said}\n`, stderr: '' });
    await eventually(async () => (await table(other)) === '');
    expect(await table(edge)).toBe(live);
    expect((await run(a, ['agent', 'confirm'], { PINHOLE_AGENT_LISTEN: agentAddress(a) })).stdout).toBe('nothing is held\n');
  });

  it('purge removes the tables of the installation that is named, also while another one runs', async () => {
    const [a, b] = [await installed(), await installed()];
    const [edge, other] = [await addHost(), await addHost()];
    const [ofA, ofB] = [await serve(a, edge), await serve(b, other)];
    await a.instance.stop();
    const { stdout } = await run(b, ['purge', '--installation', ownerOf(ofA.live) as string, '--netns', `${PREFIX}-*`]);
    expect(stdout).toContain(`${network.netns(edge)}: table inet pinhole removed`);
    expect(stdout).toContain(`${network.netns(other)}: table inet pinhole belongs to installation ${ownerOf(ofB.live)}; left alone`);
    expect([await table(edge), await table(other)]).toEqual(['', ofB.live]);
    expect((await run(b, ['purge', '--installation', 'nonsense'])).code).toBe(2);
    expect(existsSync(b.instance.files.agentState)).toBe(true);
  });
});
