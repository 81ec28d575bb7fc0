import { type ChildProcess, execFile } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Instance, type ProcessName } from '../../src/lab/instance.ts';
import { ownPrefix } from '../../src/lab/scratch-network.ts';
import { CLI } from '../support/cli-path.ts';
import { eventually } from '../support/eventually.ts';
import { TestPinhole } from '../support/pinhole.ts';
import { ADDRESSES, RouterLab } from '../support/router-lab.ts';
import { SipCall } from '../support/sip-call.ts';

const run = promisify(execFile);
const PREFIX = `${ownPrefix('pht')}-alive`;
const { v4 } = ADDRESSES;
const CONTENT = 'through the pinhole\n';
/** The client's network, which a narrower scope may name. */
const CLIENTS = '10.78.1.0/24';
const PEER_MS = 120_000;

/** The router as a file: what a test changes are the scopes and the other helpers. */
interface Wanted {
  readonly ftp?: string;
  readonly sip?: string;
  readonly others?: readonly object[];
}

type Peer = Awaited<ReturnType<RouterLab['startPeer']>>;

describe('a call with media and FTP transfers go on', { timeout: 60_000 }, () => {
  const lab = new RouterLab(PREFIX);
  const pinhole = new TestPinhole(PREFIX);
  const newer = mkdtempSync(join(tmpdir(), 'pht-newer-'));
  let router = '';
  let live: Live;

  beforeAll(async () => {
    await lab.build();
    await startVsftpd(lab);
    await pinhole.start();
  });
  afterAll(async () => {
    await pinhole.stop();
    await lab.destroy();
    rmSync(newer, { recursive: true });
  });
  beforeEach(async () => {
    await apply({ others: [{ helper: 'irc' }] });
    await lab.forgetConnections();
    live = await Live.start(lab);
  });
  afterEach(() => live.stop());

  async function pinholeCli(...argv: string[]): Promise<string> {
    return (await run(process.execPath, [CLI, ...argv], { env: pinhole.instance.env })).stdout;
  }

  async function apply({ ftp, sip, others = [] }: Wanted): Promise<void> {
    const scoped = (helper: object, source: string | undefined) => ({ ...helper, ...(source === undefined ? {} : { source }) });
    const helpers = [{ helper: 'tftp' }, scoped({ helper: 'ftp' }, ftp), scoped({ helper: 'sip', protocol: 'udp' }, sip), ...others];
    const file = join(pinhole.directory, 'routers.json');
    writeFileSync(file, JSON.stringify({ routers: [{ name: 'edge', netns: lab.router, helpers }] }));
    await pinholeCli('apply', '-f', file, '--prune');
    router = (JSON.parse(await pinholeCli('router', 'show', 'edge', '--json')) as { id: string }).id;
    await settled();
  }

  async function settled(): Promise<void> {
    const { helpers } = await pinhole.settled(router);
    expect(helpers.flatMap(({ families }) => families.map(({ status }) => status)).every((status) => status === 'ACTIVE')).toBe(true);
  }

  async function killed(name: ProcessName): Promise<void> {
    const pid = pinhole.instance.pids().get(name);
    if (pid === undefined) throw new Error(`there is no ${name}`);
    process.kill(pid, 'SIGKILL');
    await eventually(() => (pinhole.instance.pids().get(name) ?? pid) !== pid, { what: `another ${name} runs`, timeoutMs: 20_000 });
    // A change that comes after all this has passed through all processes: the new one has looked at the router.
    const touch = () => pinhole.call('PUT', `/v1/routers/${router}`, { description: `${name} ${pid}` });
    await eventually(
      () =>
        touch()
          .then(settled, () => false)
          .then(
            (done) => done !== false,
            () => false,
          ),
      {
        what: 'the agent has looked again',
        timeoutMs: 30_000,
      },
    );
  }

  it.each<[string, Wanted, Wanted]>([
    ['narrower scopes, in which they are', {}, { ftp: CLIENTS, sip: CLIENTS }],
    ['wider scopes', { ftp: CLIENTS, sip: CLIENTS }, {}],
    ['the removal of another helper', { others: [{ helper: 'irc' }] }, {}],
    [
      'a whole file with other scopes, ports, helpers and ends',
      { others: [{ helper: 'irc' }, { helper: 'ftp', port: 2121 }] },
      {
        ftp: CLIENTS,
        sip: '10.0.0.0/8',
        others: [{ helper: 'irc', port: 6668, expires_at: '2099-01-01T00:00:00Z' }, { helper: 'sane' }],
      },
    ],
  ])('over %s', async (_what, before, after) => {
    await apply(before);
    await live.survives(() => apply(after), { writes: 1 });
  });

  it('over `helper set`, of the scope and of the end', async () => {
    await live.survives(
      async () => {
        await pinholeCli('helper', 'set', 'edge', 'ftp', '--source', CLIENTS, '--ttl', '1h');
        await settled();
      },
      { writes: 1 },
    );
  });

  it.each<ProcessName>(['agent', 'kernel', 'server'])('over the death of the %s process', async (name) => {
    await live.survives(() => killed(name), { writes: 0 });
  });

  it('over an upgrade: every process ends, and those of a newer build start over the same state', async () => {
    const cli = newerBuild(newer);
    let upgraded: Instance | null = null;
    try {
      await live.survives(
        async () => {
          await pinhole.instance.stop();
          upgraded = new Instance({
            directory: pinhole.directory,
            namespaces: [`${PREFIX}-*`],
            config: 'limits: { requests_per_second: 0 }\n',
            cli,
          });
          await upgraded.start();
          await eventually(async () => (await agentVersion(upgraded as Instance)) === NEWER, { what: 'the newer agent says so' });
        },
        { writes: 0 },
      );
    } finally {
      await (upgraded as Instance | null)?.stop();
      await pinhole.instance.start();
    }
  });

  it('unless they are outside of a narrower scope: the transfers lose their helper and their hole, the call keeps its own', async () => {
    const before = await live.state();
    await apply({ ftp: '10.99.0.0/16', sip: CLIENTS });
    const ofSip = (lines: readonly string[]) => lines.filter((line) => line.includes('helper=sip'));
    await eventually(async () => (await live.state()).connections.every((line) => !line.includes('helper=ftp')), {
      what: 'the transfers lose their helper',
    });
    const after = await live.state();
    expect(after.connections).toEqual(ofSip(before.connections));
    expect(after.expectations).toEqual(ofSip(before.expectations));
    expect(before.expectations.length).toBeGreaterThan(after.expectations.length);
  });
});

/** What runs through the router during a test, and what the kernel knows of it. */
class Live {
  readonly #lab: RouterLab;
  readonly #call: SipCall;
  readonly #peers: { readonly ftp: Peer; readonly knock: Peer; readonly atServer: Peer; readonly atClient: Peer };

  private constructor(lab: RouterLab, call: SipCall, peers: Live['_peers']) {
    this.#lab = lab;
    this.#call = call;
    this.#peers = peers;
  }

  declare readonly _peers: { readonly ftp: Peer; readonly knock: Peer; readonly atServer: Peer; readonly atClient: Peer };

  static async start(lab: RouterLab): Promise<Live> {
    const ftp = await lab.startPeer('client', 'ftp-held.mjs', { server: v4.server, ms: PEER_MS });
    const call = await SipCall.start(lab, { transport: 'u1', ends: v4, seconds: PEER_MS / 1000 });
    const media = call.media();
    const atServer = await lab.startPeer('server', 'media.mjs', { ...media.server, ms: PEER_MS });
    const atClient = await lab.startPeer('client', 'media.mjs', { ...media.client, ms: PEER_MS });
    const knock = await lab.startPeer('client', 'knock.mjs', { server: v4.server, port: 69, everyMs: 4, ms: PEER_MS });
    const live = new Live(lab, call, { ftp, knock, atServer, atClient });
    await live.#goesOn();
    return live;
  }

  async stop(): Promise<void> {
    await this.#call.stop();
    for (const peer of Object.values(this.#peers)) peer.stop();
  }

  /** The connections that have helpers, and what the helpers expect, as the kernel lists them: with ids, without times left. */
  async state(): Promise<{ connections: string[]; expectations: string[] }> {
    const list = async (...argv: string[]) => (await this.#lab.network.exec('router', ['conntrack', '-L', ...argv])).stdout.split('\n');
    const connections = (await list('-o', 'id')).filter((line) => /dport=(21|5060) .*helper=/.test(line));
    return {
      connections: connections.map((line) => line.replace(/^(\w+ +\d+) +\d+/, '$1').replace(/ use=\d+/, '')).sort(),
      expectations: (await list('expect'))
        .filter((line) => line.includes('helper='))
        .map((line) => line.replace(/^\d+ /, ''))
        .sort(),
    };
  }

  /**
   * Makes a change. Afterwards the same connections have the same helpers, with the same expectations; media and download have gone
   * on, and the announced port lets a connection through. At no moment of the change was our rule absent.
   * @param expected `writes`: the number of transactions that replace our table
   */
  async survives(change: () => Promise<unknown>, expected: { writes: number }): Promise<void> {
    const before = await this.state();
    expect(before.connections).toHaveLength(3);
    expect(before.expectations.length).toBeGreaterThanOrEqual(3);
    const monitor = await Monitor.start(this.#lab);
    await change();
    const { transactions, flows } = await monitor.stop();
    expect(await this.state()).toEqual(before);
    await this.#goesOn();
    this.#peers.ftp.signal('SIGUSR1');
    await eventually(() => this.#peers.ftp.lines.some((line) => line.includes('content')), { what: 'the announced port is used' });
    expect(this.#peers.ftp.lines.join('\n')).toContain(JSON.stringify(CONTENT));
    const ours = transactions.filter((one) => one.includes('table inet pinhole'));
    expect(ours).toHaveLength(expected.writes);
    for (const one of ours) expect(one.lastIndexOf('add table inet pinhole')).toBeGreaterThan(one.lastIndexOf('delete table inet pinhole'));
    expect(flows.length).toBeGreaterThan(20);
    expect(flows.filter((line) => !line.includes('helper=tftp'))).toEqual([]);
  }

  /** Resolves when media in both directions and the download have gone on since the call. */
  async #goesOn(): Promise<void> {
    const { ftp, atServer, atClient } = this.#peers;
    for (const peer of [ftp, atServer, atClient]) {
      const first = await received(peer);
      await eventually(async () => (await received(peer)) > first + 5, { what: 'packets go on' });
    }
  }
}

async function received(peer: Peer): Promise<number> {
  const before = peer.lines.length;
  peer.signal('SIGUSR2');
  await eventually(() => peer.lines.length > before, { what: 'a peer answers' });
  const answer = JSON.parse(peer.lines.at(-1) as string) as { received?: number; error?: string };
  if (answer.error !== undefined || answer.received === undefined) throw new Error(answer.error ?? 'no count');
  return answer.received;
}

/** Follows the nftables transactions of the router, and the new flows to the port of the helper that no change is about. */
class Monitor {
  readonly #lab: RouterLab;
  readonly #children: ChildProcess[] = [];
  #rules = '';
  #flows = '';

  private constructor(lab: RouterLab) {
    this.#lab = lab;
    this.#follow(['nft', 'monitor'], (text) => {
      this.#rules += text;
    });
    this.#follow(['conntrack', '-E', '-e', 'NEW', '-p', 'udp', '--dport', '69'], (text) => {
      this.#flows += text;
    });
  }

  static async start(lab: RouterLab): Promise<Monitor> {
    const monitor = new Monitor(lab);
    await monitor.#sees('begin');
    return monitor;
  }

  /** Returns the text of each transaction, and the line of each flow, since the start. */
  async stop(): Promise<{ transactions: string[]; flows: string[] }> {
    await this.#sees('end');
    for (const child of this.#children) child.kill('SIGKILL');
    return { transactions: this.#rules.split(/^# new generation .*$/m), flows: this.#flows.split('\n').slice(0, -1) };
  }

  #follow(argv: readonly string[], take: (text: string) => void): void {
    const child = this.#lab.network.start('router', argv);
    child.stdout?.on('data', (chunk) => take(String(chunk)));
    this.#children.push(child);
  }

  /** Makes transactions of its own until one arrives here, and waits for another flow: so did all before them. */
  async #sees(mark: string): Promise<void> {
    let tries = 0;
    const flows = this.#flows.length;
    await eventually(async () => {
      const name = `${mark}${tries++}`;
      await this.#lab.network.exec('router', ['nft', `add table inet ${name}; delete table inet ${name}`]);
      return this.#rules.includes(`table inet ${mark}`) && this.#flows.length > flows;
    });
  }
}

async function agentVersion(instance: Instance): Promise<string | undefined> {
  const { agents } = (await instance.client().call('GET', '/v1/agents')) as { agents: { state: { version: string } }[] };
  return agents[0]?.state.version;
}

async function startVsftpd(lab: RouterLab): Promise<void> {
  const root = join(lab.directory, 'ftp');
  mkdirSync(join(root, 'empty'), { recursive: true });
  writeFileSync(join(root, 'file.txt'), CONTENT);
  writeFileSync(join(root, 'large.bin'), Buffer.alloc(64 * 1024 * 1024, 'x'));
  const lines = [
    'listen=NO',
    'listen_ipv6=YES',
    'background=NO',
    'anonymous_enable=YES',
    'no_anon_password=YES',
    'seccomp_sandbox=NO',
    // The download of the large file outlasts every test.
    'anon_max_rate=200000',
    `anon_root=${root}`,
    `secure_chroot_dir=${join(root, 'empty')}`,
  ];
  const config = join(lab.directory, 'vsftpd.conf');
  writeFileSync(config, [...lines, ''].join('\n'));
  await lab.network.exec('server', ['chmod', 'o+x', lab.directory]);
  lab.network.start('server', ['vsftpd', config]);
  await lab.listening('server', 't', 21);
}

const NEWER = '99.0.0';

/** Copies the build under another version. @returns the path of its command line */
function newerBuild(directory: string): string {
  const root = resolve(dirname(CLI), '../..');
  const built = join(directory, relative(root, dirname(CLI)));
  chmodSync(directory, 0o755);
  cpSync(dirname(CLI), built, { recursive: true });
  cpSync(join(root, 'package.json'), join(directory, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  const files = readdirSync(built, { recursive: true, encoding: 'utf8' }).map((name) => join(built, name));
  const [file, ...more] = files.filter((path) => path.endsWith('.js') && VERSION_LINE.test(readFileSync(path, 'utf8')));
  if (file === undefined || more.length > 0) throw new Error(`the version stands in ${more.length} other files`);
  writeFileSync(file, readFileSync(file, 'utf8').replace(VERSION_LINE, `const VERSION = "${NEWER}"`));
  return join(built, basename(CLI));
}

const VERSION_LINE = /const VERSION = ["'][^"']+["']/;
