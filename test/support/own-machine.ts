import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './docs.ts';
import { eventually } from './eventually.ts';

/**
 * Gives the commands of a page what a machine of their own would: an empty /run, an /etc and a /var/lib without Pinhole whose
 * changes are lost, no other processes, no network but loopback. Ports, paths and names of namespaces can be the documented ones.
 */
const SETUP = `
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir /run/netns
for folder in /etc /var/lib; do
  mkdir -p /run/changes$folder /run/work$folder
  mount -t overlay overlay -o lowerdir=$folder,upperdir=/run/changes$folder,workdir=/run/work$folder $folder
  rm -rf $folder/pinhole
done
ip link set lo up
echo ready
exec cat
`;
const READY_SERVER = 'http://127.0.0.1:9797/readyz';
const READY_AGENT = 'http://127.0.0.1:9798/readyz';

export interface Ran {
  readonly code: number | null;
  /** Standard output and standard error, as they came. */
  readonly output: string;
}

/** Needs root. It ends, with all its processes, when {@link close} is called or this process ends. */
export class OwnMachine {
  #directory = '';
  #init: ChildProcess | null = null;
  #pid = 0;

  /** Where commands run: `bin/pinhole` is there, as in a checkout. */
  get directory(): string {
    return this.#directory;
  }

  /** The first process, as the machine outside numbers it: others find the namespaces by it. */
  get pid(): number {
    return this.#pid;
  }

  async start(): Promise<this> {
    this.#directory = mkdtempSync(join(tmpdir(), 'phd-'));
    symlinkSync(join(ROOT, 'bin'), join(this.directory, 'bin'));
    mkdirSync(join(this.directory, 'path'));
    symlinkSync(join(ROOT, 'bin/pinhole'), join(this.directory, 'path/pinhole'));
    const argv = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc', 'bash', '-c', SETUP];
    const init = spawn('unshare', argv, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#init = init;
    await new Promise<void>((resolve, reject) => {
      let errors = '';
      init.stderr.on('data', (chunk) => {
        errors += chunk;
      });
      init.stdout.once('data', () => resolve());
      init.once('close', () => reject(new Error(`a machine of its own cannot be made: ${errors}`)));
    });
    this.#pid = Number(readFileSync(`/proc/${init.pid}/task/${init.pid}/children`, 'utf8').trim());
    return this;
  }

  /** Runs a script to the end of its foreground, stopping at the first command that fails. */
  async run(script: string): Promise<Ran> {
    const file = join(this.directory, '.output');
    const output = openSync(file, 'w');
    const argv = ['-t', String(this.#pid), '-m', '-n', '-p', `--wd=${this.directory}`, 'bash', '-euo', 'pipefail', '-c', script];
    const env = { PATH: `${join(this.directory, 'path')}:${process.env['PATH']}`, HOME: this.directory, LANG: 'C.UTF-8' };
    const child = spawn('nsenter', argv, { stdio: ['ignore', output, output], env });
    closeSync(output);
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', resolve);
    });
    return { code, output: readFileSync(file, 'utf8') };
  }

  /** Resolves when the server and the agent say that they are ready. */
  async ready(): Promise<void> {
    const ask = `curl -fsS -o /dev/null ${READY_SERVER} && curl -fsS -o /dev/null ${READY_AGENT}`;
    await eventually(async () => (await this.run(ask)).code === 0, { what: 'server and agent are ready', timeoutMs: 60_000 });
  }

  async close(): Promise<void> {
    const init = this.#init;
    if (init && init.exitCode === null) {
      const closed = new Promise((resolve) => init.once('close', resolve));
      init.stdin?.end();
      await closed;
    }
    if (this.#directory !== '') rmSync(this.#directory, { recursive: true, force: true });
  }
}
