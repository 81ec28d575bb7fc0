import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';

const run = promisify(execFile);
/** systemd's signal for "power off". */
const POWER_OFF = 'RTMIN+4';
const ENVIRONMENT = { HOME: '/root', TERM: 'dumb', LANG: 'C.UTF-8', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

/**
 * A container in which systemd is the first process: this machine's files below an overlay, its kernel, and a network of its own. It
 * starts no service by itself. What happens in it disappears with {@link stop}.
 */
export class BootedContainer {
  readonly root: string;
  readonly #directory: string;
  readonly #groups: readonly string[];
  #nspawn: ChildProcess | null = null;

  constructor() {
    this.#directory = mkdtempSync(join(tmpdir(), 'pht-booted-'));
    this.root = join(this.#directory, 'root');
    this.#groups = cgroupParents().map((parent) => join(parent, basename(this.#directory)));
  }

  /** Boots, and waits for systemd. */
  async start(): Promise<void> {
    for (const name of ['upper', 'work', 'root']) mkdirSync(join(this.#directory, name));
    const layers = `lowerdir=/,upperdir=${join(this.#directory, 'upper')},workdir=${join(this.#directory, 'work')}`;
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', layers, this.root]);
    for (const group of this.#groups) mkdirSync(group);
    const enter = this.#groups.map((group) => `echo $$ > ${join(group, 'cgroup.procs')}; `).join('');
    const options = ['-q', '-D', this.root, '--boot', '--private-network', '--capability=all', '--console=read-only', '--register=no'];
    const keep = this.#groups.length > 0 ? ['--keep-unit'] : [];
    const argv = ['systemd-nspawn', ...options, ...keep, `--machine=${basename(this.#directory)}`, 'systemd.unit=basic.target'];
    this.#nspawn = spawn('sh', ['-c', `${enter}exec "$@"`, 'sh', ...argv], { stdio: 'ignore', detached: true });
    await eventually(
      () =>
        this.run('systemctl is-system-running --wait || true').then(
          (state) => /running|degraded/.test(state),
          () => false,
        ),
      {
        what: 'systemd has booted in the container',
        timeoutMs: 120_000,
      },
    );
  }

  /** Runs a shell script inside, as root. @returns its output. @throws Error if it fails */
  async run(script: string): Promise<string> {
    const argv = ['-t', String(this.#leader()), '-m', '-p', '-u', '-i', '-n', '-C', '-r', '-w', 'sh', '-ec', script];
    return (await run('nsenter', argv, { env: ENVIRONMENT, maxBuffer: 1e8 })).stdout;
  }

  /** Powers it off and removes its files. */
  async stop(): Promise<void> {
    const nspawn = this.#nspawn;
    if (nspawn && nspawn.exitCode === null) {
      const closed = new Promise((done) => nspawn.once('close', done));
      execFileSync('kill', ['-s', POWER_OFF, String(this.#leader())]);
      const timer = setTimeout(() => nspawn.kill('SIGKILL'), 60_000);
      await closed;
      clearTimeout(timer);
    }
    if (existsSync(this.root)) execFileSync('umount', ['--lazy', this.root]);
    for (const group of this.#groups) await eventually(() => isGone(group), { what: `all processes in ${group} have ended` });
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** systemd in the container: the first child of systemd-nspawn. */
  #leader(): number {
    const pid = this.#nspawn?.pid ?? 0;
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
    if (!child) throw new Error('the container does not run');
    return Number(child);
  }
}

/** Removes a control group and those in it: the kernel refuses while a process in it is ending. */
function isGone(group: string): boolean {
  if (existsSync(group)) execFileSync('find', [group, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'], { stdio: 'ignore' });
  return !existsSync(group);
}

/** Where systemd gives out control groups, systemd-nspawn asks it for one. Elsewhere it gets one here, in each hierarchy that systemd needs. */
function cgroupParents(): string[] {
  if (existsSync('/run/systemd/system')) return [];
  return ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup'].filter((path) => existsSync(join(path, 'cgroup.procs')));
}
