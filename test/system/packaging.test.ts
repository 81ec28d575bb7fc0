import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_USERS, paths } from '../../src/config/config.ts';
import { newTokenText } from '../../src/contract/token.ts';
import { ownPrefix } from '../../src/lab/scratch-network.ts';
import { type ProcessName, resolveAccounts } from '../../src/supervisor/accounts.ts';
import { BootedContainer } from '../support/booted-container.ts';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/rabbitmq.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '../..');
const CLI = join(ROOT, 'dist/pinhole/cli.js');
const UNITS = readdirSync(join(ROOT, 'packaging/systemd'));
const NETNS = `${ownPrefix('pht')}-package`;
const ACCOUNTS = resolveAccounts(DEFAULT_USERS);
const MAX_EXPOSURE = 1.3;
/** To compress Node takes half a minute on an idle machine. */
const BUILD_MS = 900_000;

describe('the Debian package', () => {
  const directory = mkdtempSync(join(tmpdir(), 'pht-deb-'));
  /** This machine's files below an overlay: installed files disappear with the overlay. */
  const root = join(directory, 'root');
  let up: ChildProcess | null = null;

  const inside = (...argv: string[]) => run('chroot', [root, ...argv], { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...listens } });
  let listens: Record<string, string> = {};

  beforeAll(async () => {
    for (const name of ['upper', 'work', 'root']) mkdirSync(join(directory, name));
    execFileSync('mount', [
      '-t',
      'overlay',
      'overlay',
      '-o',
      `lowerdir=/,upperdir=${join(directory, 'upper')},workdir=${join(directory, 'work')}`,
      root,
    ]);
    mkdirSync(join(root, 'run/netns'), { recursive: true });
    execFileSync('mount', ['-t', 'proc', 'proc', join(root, 'proc')]);
    // What is in /dev of the files below need not be devices: a /dev/null that is a file would be closed to Pinhole's users.
    execFileSync('mount', ['--rbind', '--make-rslave', '/dev', join(root, 'dev')]);
    execFileSync('ip', ['netns', 'add', NETNS]);
    execFileSync('mount', ['--rbind', '--make-rslave', '/run/netns', join(root, 'run/netns')]);
    const [api = 0, agent = 0] = await freePorts(2);
    listens = { PINHOLE_LISTEN: `127.0.0.1:${api}`, PINHOLE_AGENT_LISTEN: `127.0.0.1:${agent}` };
  });
  afterAll(async () => {
    await stop();
    execFileSync('ip', ['netns', 'del', NETNS]);
    for (const mount of ['run/netns', 'dev', 'proc', '']) execFileSync('umount', ['--recursive', '--lazy', join(root, mount)]);
    rmSync(directory, { recursive: true, force: true });
  });

  async function stop(): Promise<void> {
    const child = up;
    up = null;
    if (!child || child.exitCode !== null) return;
    const closed = new Promise((done) => child.once('close', done));
    child.kill('SIGTERM');
    await closed;
  }

  it(
    'is built by one command, installs, has its own Node, and assigns helpers under its own users',
    async () => {
      const { stdout } = await run('bash', ['scripts/deb.sh'], { cwd: ROOT, maxBuffer: 1e8 });
      const [, file = ''] = /in '([^']+\.deb)'/.exec(stdout) ?? [];
      execFileSync('cp', [join(ROOT, file), join(root, 'tmp/pinhole.deb')]);
      await inside('dpkg', '-i', '/tmp/pinhole.deb');
      const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
      expect((await inside('pinhole', '--version')).stdout.trim()).toBe(version);
      expect((await inside('stat', '-c', '%a %U %G', '/var/lib/pinhole/admin-token')).stdout.trim()).toBe('640 root pinhole-server');

      up = spawn('chroot', [root, '/usr/bin/pinhole', 'up'], {
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...listens },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let said = '';
      for (const stream of [up.stdout, up.stderr]) stream?.on('data', (part: Buffer) => (said += part.toString()));
      const isAdded = () =>
        inside('pinhole', 'router', 'add', 'edge', '--netns', NETNS).then(
          () => true,
          ({ stderr }) => {
            refusal = stderr;
            return false;
          },
        );
      let refusal = '';
      await eventually(isAdded, { what: 'pinhole router add', timeoutMs: 60_000 }).catch((error: Error) => {
        throw new Error(`${error.message}\n${refusal}\n${said}`);
      });
      await inside('pinhole', 'helper', 'add', 'edge', 'ftp');
      const status = async () => (await inside('pinhole', 'status')).stdout;
      await eventually(async () => (await status()).match(/ACTIVE/g)?.length === 2);
      const { stdout: processes } = await inside('ps', '-eo', 'user:20,args');
      const users = processes.split('\n').filter((line) => line.includes('/usr/lib/pinhole/'));
      expect(users.map((line) => line.split(' ')[0]).sort()).toEqual([
        'pinhole-agent',
        'pinhole-kernel',
        'pinhole-opener',
        'pinhole-server',
        'root',
      ]);
      await stop();
      await inside('pinhole', 'purge', '--netns', NETNS);
      await inside('dpkg', '--purge', 'pinhole');
      await expect(inside('test', '-e', '/var/lib/pinhole')).rejects.toMatchObject({ code: 1 });
    },
    BUILD_MS,
  );

  describe('under systemd', () => {
    const container = new BootedContainer();
    const units = ['pinhole-kernel', 'pinhole-server', 'pinhole-agent'];

    beforeAll(async () => {
      await container.start();
      execFileSync('cp', [join(root, 'tmp/pinhole.deb'), join(container.root, 'root/pinhole.deb')]);
      await container.run('ip netns add edge; dpkg --install /root/pinhole.deb');
      // A helper that was not seen for two seconds is STALE: sooner than the watchdog's ten.
      await container.run(
        `printf 'listen: 0.0.0.0:9797\nagent: { check_seconds: 1 }\n' >> /etc/pinhole/pinhole.yaml; systemctl start ${units.join(' ')}`,
      );
    }, BUILD_MS);
    afterAll(() => container.stop(), BUILD_MS);

    const property = async (unit: string, name: string) => (await container.run(`systemctl show -p ${name} --value ${unit}`)).trim();
    const becomes = (script: string) =>
      eventually(
        () =>
          container.run(script).then(
            () => true,
            () => false,
          ),
        { what: script, timeoutMs: 60_000 },
      );

    it('is started again after any number of quick deaths', async () => {
      /** Ends the unit's process as soon as it is there, five times more than systemd's default allows. */
      const kill = (unit: string) =>
        container.run(`for death in 1 2 3 4 5 6 7 8 9 10; do
          was=$(systemctl show -p NRestarts --value ${unit})
          systemctl kill --signal=KILL ${unit}
          until [ "$(systemctl show -p NRestarts --value ${unit})" != "$was" ] && [ "$(systemctl show -p MainPID --value ${unit})" != 0 ]; do
            [ "$(systemctl is-failed ${unit})" != failed ] || exit 1
            sleep 0.02
          done
        done`);
      for (const unit of ['pinhole-agent', 'pinhole-kernel']) await kill(unit);
      await becomes(`systemctl is-active ${units.join(' ')}`);
    });

    it("has a kernel process that systemd's watchdog kills once it is stopped: its helpers are STALE, and ACTIVE after", async () => {
      await becomes('pinhole router show edge || pinhole router add edge --netns edge');
      await container.run('pinhole helper add edge ftp --wait 60');
      const rules = () => container.run('ip netns exec edge nft list table inet pinhole');
      const [before, deaths] = [await rules(), Number(await property('pinhole-kernel', 'NRestarts'))];
      const since = (await container.run("date '+%F %T'")).trim();
      await container.run('systemctl kill --signal=STOP pinhole-kernel');
      await becomes("pinhole status | grep -q 'ipv4 ipv6  STALE'");
      expect(Number(await property('pinhole-kernel', 'NRestarts'))).toBe(deaths);
      expect(await container.run('pinhole status')).toMatch(/^ {2}not verified since 20/m);
      await becomes("pinhole status --check | grep -q 'ipv4 ipv6  ACTIVE'");
      expect(Number(await property('pinhole-kernel', 'NRestarts'))).toBe(deaths + 1);
      expect(await container.run(`journalctl --no-pager --since '${since}' -u pinhole-kernel`)).toMatch(
        /Watchdog timeout .*\n.*Killing process/,
      );
      expect(await rules()).toBe(before);
    });

    it('serves the host’s own namespace, in which neither kernel process nor opener is', async () => {
      await container.run('pinhole router add self --netns / && pinhole helper add self ftp --wait 60');
      expect(await container.run('nft list table inet pinhole')).toContain('type "ftp"');
      const namespaces = await container.run(
        'for unit in opener kernel; do readlink /proc/$(systemctl show -p MainPID --value pinhole-$unit)/ns/net; done; readlink /proc/1/ns/net',
      );
      expect(new Set(namespaces.trim().split('\n')).size).toBe(3);
    });

    it('leaves nothing behind when it is purged', async () => {
      await container.run(`systemctl stop ${units.join(' ')} pinhole-opener; pinhole purge; dpkg --purge pinhole`);
      const left =
        'ls -d /var/lib/pinhole /etc/pinhole /run/pinhole /usr/lib/pinhole 2>/dev/null; getent passwd pinhole pinhole-server pinhole-agent pinhole-kernel pinhole-opener; getent group pinhole';
      expect(await container.run(`set +e; ${left}; true`)).toBe('');
    });
  });
});

describe.each(UNITS)('%s', (unit) => {
  const file = join(ROOT, 'packaging/systemd', unit);
  const text = readFileSync(file, 'utf8');

  it(`has an exposure of at most ${MAX_EXPOSURE} in systemd-analyze`, async () => {
    const { stdout } = await run('systemd-analyze', ['security', '--offline=yes', '--no-pager', file]);
    const [, exposure] = /Overall exposure level for [^:]+: ([\d.]+)/.exec(stdout) ?? [];
    expect(Number(exposure)).toBeLessThanOrEqual(MAX_EXPOSURE);
    expect(Number(exposure)).toBeGreaterThan(0);
  });

  it('uses readiness and watchdog notifications', () => {
    expect(text).toMatch(/^Type=notify$/m);
    expect(text).toMatch(/^WatchdogSec=\d+$/m);
  });

  it('is one process, which systemd starts again however often it dies', () => {
    expect(text.match(/^ExecStart=/gm)).toHaveLength(1);
    expect(text).toMatch(/^Restart=always$/m);
    expect(text).toMatch(/^RestartSec=1s$/m);
    expect(/^\[Unit\]$(.*)^\[Service\]$/ms.exec(text)?.[1]).toMatch(/^StartLimitIntervalSec=0$/m);
  });
});

describe('notifications to systemd', () => {
  const directory = mkdtempSync(join(tmpdir(), 'pht-notify-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('are ready, repeated watchdog messages, and stopping', async () => {
    const [socket, dataDir] = [join(directory, 'notify'), join(directory, 'data')];
    // The server gives up root, and like systemd's socket this one is for all users.
    chmodSync(directory, 0o755);
    const listen = `import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(${JSON.stringify(socket)})
os.chmod(${JSON.stringify(socket)}, 0o777)
print('listening', flush=True)
while True: print(s.recv(4096).decode(), flush=True)`;
    const listener = spawn('python3', ['-c', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
    let heard = '';
    listener.stdout.on('data', (chunk) => {
      heard += chunk;
    });
    await eventually(() => heard.includes('listening'));
    const env = { PATH: process.env['PATH'], NOTIFY_SOCKET: socket, WATCHDOG_USEC: '300000' };
    const server = spawn(process.execPath, [CLI, 'server', '--data-dir', dataDir, '--listen', '127.0.0.1:0'], { env, stdio: 'ignore' });
    await eventually(() => (heard.match(/WATCHDOG=1/g) ?? []).length > 3, { timeoutMs: 20_000 });
    const ended = new Promise((done) => server.once('close', done));
    server.kill('SIGTERM');
    await ended;
    await eventually(() => heard.includes('STOPPING=1'));
    listener.kill('SIGKILL');
    expect(heard.split('\n').filter(Boolean)).toEqual([
      'listening',
      'READY=1',
      ...Array(heard.match(/WATCHDOG=1/g)?.length).fill('WATCHDOG=1'),
      'STOPPING=1',
    ]);
  }, 60_000);
});

describe('system calls', () => {
  const directory = mkdtempSync(join(tmpdir(), 'pht-calls-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** System calls that a unit allows: its sets, without those that it removes, with those that it adds again. */
  function allowed(unit: string): Set<string> {
    const text = readFileSync(join(ROOT, 'packaging/systemd', unit), 'utf8');
    const calls = new Set<string>();
    for (const [, line = ''] of text.matchAll(/^SystemCallFilter=(.+)$/gm)) {
      const names = expand(line.replace('~', '').split(' '));
      for (const name of names) line.startsWith('~') ? calls.delete(name) : calls.add(name);
    }
    // systemd's filters always allow these.
    for (const name of expand(['@default'])) calls.add(name);
    return calls;
  }

  function expand(names: readonly string[]): string[] {
    return names.flatMap((name) => (name.startsWith('@') ? expand(membersOf(name)) : [name]));
  }

  function membersOf(set: string): string[] {
    const text = execFileSync('systemd-analyze', ['--no-pager', 'syscall-filter', set], { encoding: 'utf8' });
    return text
      .split('\n')
      .slice(1)
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'));
  }

  /** Runs a process under strace while `work` uses it. @returns names of the system calls that succeeded */
  async function traced(name: ProcessName, argv: readonly string[], use: () => Promise<void>): Promise<string[]> {
    const file = join(directory, `${name}.trace`);
    const { uid, gid } = ACCOUNTS[name];
    const capabilities = `-all${{ opener: ',+net_admin,+sys_admin', kernel: ',+net_admin', server: '', agent: '' }[name]}`;
    const rights = ['--inh-caps', capabilities, '--ambient-caps', capabilities];
    const account = ['setpriv', '--reuid', `${uid}`, '--regid', `${gid}`, '--clear-groups', ...rights, '--'];
    const child = spawn('strace', ['-f', '-qq', '-o', file, ...account, process.execPath, CLI, ...argv], { stdio: 'ignore' });
    try {
      await use();
    } finally {
      const ended = new Promise((done) => child.once('close', done));
      const [pid] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ');
      process.kill(Number(pid), 'SIGTERM');
      await ended;
    }
    const text = readFileSync(file, 'utf8');
    // Earlier calls are not those of Node.
    const calls = text.slice(text.lastIndexOf('execve(')).matchAll(/^\d+ +([a-z0-9_]+)\(.*$/gm);
    return [...new Set([...calls].filter(([line]) => !/ = -1 (EPERM|ENOSYS)/.test(line)).map(([, call]) => call as string))].sort();
  }

  function makeFolders(folders: readonly string[], { uid, gid }: { uid: number; gid: number }): void {
    for (const folder of folders) {
      mkdirSync(folder, { recursive: true });
      chownSync(folder, uid, gid);
      chmodSync(folder, 0o2750);
    }
  }

  it('of server, agent, kernel process and opener are all allowed by their units', async () => {
    const dataDir = join(directory, 'data');
    const files = paths({ dataDir, runDir: join(dataDir, 'run') });
    chmodSync(directory, 0o755);
    const folders = { server: [files.serverDir], agent: [files.agentDir] };
    for (const name of ['server', 'agent'] as const) makeFolders(folders[name], { uid: ACCOUNTS[name].uid, gid: ACCOUNTS[name].gid });
    makeFolders([files.serverSocketDir], { uid: ACCOUNTS.server.uid, gid: ACCOUNTS.agent.gid });
    makeFolders([files.kernelSocketDir], { uid: ACCOUNTS.kernel.uid, gid: ACCOUNTS.agent.gid });
    makeFolders([files.openerSocketDir], { uid: ACCOUNTS.opener.uid, gid: ACCOUNTS.kernel.gid });
    const token = newTokenText();
    writeFileSync(files.adminToken, token);
    const [port = 0] = await freePorts(1);
    const config = join(directory, 'pinhole.yaml');
    writeFileSync(
      config,
      `data_dir: ${dataDir}\nlisten: 127.0.0.1:${port}\nagent: { listen: '127.0.0.1:0' }\nkernel: { namespaces: ['${NETNS}-*'], host_namespace: false }\n`,
    );
    execFileSync('ip', ['netns', 'add', `${NETNS}-a`]);
    const call = async (method: string, path: string, body?: object) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
      return (response.status === 204 ? null : await response.json()) as { id: string; helpers: { families: { status: string }[] }[] };
    };
    const waitFor = (condition: () => Promise<boolean>) => eventually(() => condition().catch(() => false), { timeoutMs: 60_000 });
    try {
      const used: Record<string, string[]> = {};
      const serves = async () => {
        const { id } = await call('POST', '/v1/routers', { name: 'a', netns: `${NETNS}-a` });
        await call('POST', `/v1/routers/${id}/helpers`, { helper: 'ftp', protocol: 'tcp', port: 21 });
        await waitFor(
          async () => (await call('GET', `/v1/status/${id}`)).helpers[0]?.families.every(({ status }) => status === 'ACTIVE') === true,
        );
        await call('GET', `/v1/routers/${id}/diagnosis`);
        await call('DELETE', `/v1/routers/${id}`);
      };
      used['pinhole-opener.service'] = await traced('opener', ['opener', '--config', config], async () => {
        used['pinhole-kernel.service'] = await traced('kernel', ['kernel-process', '--config', config], async () => {
          used['pinhole-server.service'] = await traced('server', ['server', '--config', config], async () => {
            await waitFor(async () => (await fetch(`http://127.0.0.1:${port}/healthcheck`)).ok);
            used['pinhole-agent.service'] = await traced('agent', ['agent', '--config', config], serves);
          });
        });
      });
      for (const [unit, calls] of Object.entries(used)) {
        const may = allowed(unit);
        expect(calls.length).toBeGreaterThan(30);
        expect(
          calls.filter((name) => !may.has(name)),
          unit,
        ).toEqual([]);
      }
    } finally {
      execFileSync('ip', ['netns', 'del', `${NETNS}-a`]);
    }
  }, 180_000);
});
