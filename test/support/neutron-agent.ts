import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLI } from './cli-path.ts';
import { eventually } from './eventually.ts';
import { freePorts } from './rabbitmq.ts';
import { refuseUncaught } from './uncaught.ts';

export interface HelperView {
  readonly id: string;
  readonly helper: string;
  readonly protocol: string;
  readonly port: number;
  readonly families: readonly { readonly family: string; readonly status: string; readonly reason: string }[];
}

export interface RouterView {
  readonly router: { readonly id: string; readonly netns: string };
  readonly helpers: readonly HelperView[];
}

/** `pinhole agent --neutron` as an operator starts it, with its kernel process, on the neutron.conf of a cloud. */
export class NeutronAgent {
  readonly directory = mkdtempSync(join(tmpdir(), 'phna-'));
  readonly #conf: string;
  #port = 0;
  #supervisor: ChildProcess | null = null;
  log = '';

  constructor(conf: string) {
    this.#conf = conf;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<this> {
    const [port = 0] = this.#port === 0 ? await freePorts(1) : [this.#port];
    this.#port = port;
    chmodSync(this.directory, 0o755);
    const file = join(this.directory, 'pinhole.yaml');
    // Tests change nearly half of this host's helpers while the agent is away: more than the interlock lets through by default.
    writeFileSync(file, `agent:\n  listen: 127.0.0.1:${port}\n  resync_seconds: 3600\n  hold_removals_percent: 50\n`);
    const argv = [CLI, 'agent', '--neutron', '--neutron-conf', this.#conf, '--config', file, '--data-dir', join(this.directory, 'data')];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        this.log = (this.log + chunk).slice(-200_000);
      });
    this.#supervisor = child;
    return this;
  }

  async settled(): Promise<void> {
    await eventually(
      () =>
        this.#ask<{ settled: boolean }>('/readyz').then(
          ({ settled }) => settled,
          () => false,
        ),
      { what: 'the agent settles', timeoutMs: 30_000 },
    );
  }

  async counts(): Promise<{ pulls: number; pullSeconds: number; writes: number }> {
    return this.#ask('/readyz');
  }

  async routers(): Promise<readonly RouterView[]> {
    return (await this.#ask<{ routers: RouterView[] }>('/status')).routers;
  }

  /** Process id and user of the agent itself, whose parent is the supervisor. */
  process(): { pid: number; uid: number } {
    const pids = readFileSync(`/proc/${this.#supervisor?.pid}/task/${this.#supervisor?.pid}/children`, 'utf8').trim().split(' ');
    for (const pid of pids) {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--neutron')) continue;
      const [, uid] = /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
      return { pid: Number(pid), uid: Number(uid) };
    }
    throw new Error('there is no agent process');
  }

  /** Memory of all processes, MiB of PSS. */
  pss(): number {
    const root = this.#supervisor?.pid as number;
    const children = readFileSync(`/proc/${root}/task/${root}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
    const kib = [root, ...children].map((pid) =>
      Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0),
    );
    return kib.reduce((sum, one) => sum + one, 0) / 1024;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#supervisor;
    this.#supervisor = null;
    if (!child?.pid || child.exitCode !== null) return;
    const closed = new Promise<void>((done) => child.once('close', () => done()));
    child.kill(signal);
    await closed;
    refuseUncaught(this.log);
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #ask<T>(path: string): Promise<T> {
    return (await (await fetch(`${this.url}${path}`)).json()) as T;
  }
}
