import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ANY_NUMBER } from '../client/answer.ts';
import { Client } from '../client/client.ts';
import { paths } from '../config/config.ts';
import { AGENT } from '../contract/agent.ts';
import { list } from '../contract/compounds.ts';
import { record } from '../contract/record.ts';
import { patiently, processorTime } from './patience.ts';

const CLI = fileURLToPath(new URL('../cli.js', import.meta.url));
const AGENTS = record({ agents: list(AGENT, ANY_NUMBER) });
/** Idle for so long, it will not become ready. */
const START_QUIET_MS = 20_000;
/** A process that ended so often while the instance starts ends always. */
const MAX_DEATHS = 5;
/** An emulated machine needs tens of seconds. */
const STOP_TIMEOUT_MS = 60_000;

/** Processes of an instance, apart from its supervisor. */
export type ProcessName = 'opener' | 'kernel' | 'server' | 'agent';

/** What an instance needs. */
export interface InstanceOptions {
  /** An existing folder for this instance alone. */
  readonly directory: string;
  /** Patterns of the namespaces that it may serve. */
  readonly namespaces: readonly string[];
  /** Seconds after which its kernel process counts as dead if it does not answer. Default: that of the configuration. */
  readonly deadlineSeconds?: number;
  /** More lines of configuration, in YAML. */
  readonly config?: string;
  /** Path of another built command line to run. */
  readonly cli?: string;
}

/** A complete Pinhole (`pinhole up`) for the demo, benchmarks and tests. It can run beside other instances on the same host. */
export class Instance {
  readonly dataDir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly #options: InstanceOptions;
  #supervisor: ChildProcess | null = null;
  #log = '';

  constructor(options: InstanceOptions) {
    this.#options = options;
    this.dataDir = join(options.directory, 'data');
    this.env = {
      ...process.env,
      PINHOLE_AGENT_LISTEN: '127.0.0.1:0',
      PINHOLE_DATA_DIR: this.dataDir,
      PINHOLE_RUN_DIR: join(this.dataDir, 'run'),
      PINHOLE_LISTEN: '127.0.0.1:0',
    };
  }

  /** Paths of its files. */
  get files() {
    return paths({ dataDir: this.dataDir, runDir: join(this.dataDir, 'run') });
  }

  /** The output of its processes so far, at most the last million characters. */
  get log(): string {
    return this.#log;
  }

  /** Address of the API. @throws Error before the server listens */
  get url(): string {
    return readFileSync(this.files.endpoint, 'utf8').trim();
  }

  /** Its admin token. @throws Error before the first start */
  get token(): string {
    return readFileSync(this.files.adminToken, 'utf8').trim();
  }

  /** Process id of the supervisor; -1 while it is stopped. */
  get pid(): number {
    return this.#supervisor?.pid ?? -1;
  }

  /** A client of the server as it runs now. After a restart, the server has another address. */
  client(): Client {
    return new Client({ url: this.url, token: this.token }, {});
  }

  /** Starts it and waits until it is ready. @throws Error with its output if it ends, or a process of it does so again and again, or all are idle */
  async start(): Promise<void> {
    const { directory, namespaces, deadlineSeconds, config = '' } = this.#options;
    const deadline = deadlineSeconds === undefined ? '' : `  deadline_seconds: ${deadlineSeconds}\n`;
    const file = join(directory, 'pinhole.yaml');
    chmodSync(directory, 0o755);
    writeFileSync(
      file,
      `kernel:\n  namespaces: ${JSON.stringify(namespaces)}\n  host_namespace: false\n${deadline}host: here\nlog_level: info\n${config}`,
    );
    const argv = [this.#options.cli ?? CLI, 'up', '--config', file, '--data-dir', this.dataDir];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'], env: this.env, detached: true });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        this.#log = (this.#log + chunk).slice(-1_000_000);
      });
    }
    this.#supervisor = child;
    await this.ready();
  }

  /**
   * Resolves when its own server answers, not one that a killed supervisor left for a moment, an agent has pulled from it, and the kernel
   * process has answered that agent.
   */
  async ready(): Promise<void> {
    const seen = new Set<string>();
    const isReady = async () => {
      const child = this.#supervisor;
      if (!child || child.exitCode !== null) throw new Error(`pinhole up ended with ${child?.exitCode}`);
      const pids = this.pids();
      for (const [name, pid] of pids) seen.add(`${name} ${pid}`);
      for (const name of pids.keys())
        if ([...seen].filter((process) => process.startsWith(`${name} `)).length > MAX_DEATHS)
          throw new Error(`the ${name} process of pinhole up ends again and again`);
      return pids.has('server') && pids.has('agent') && existsSync(this.files.endpoint) && (await this.#hasAgent());
    };
    const wait = { what: 'pinhole up does not become ready', quietMs: START_QUIET_MS, workMs: () => this.processorTime() };
    await patiently(isReady, wait).catch((error: Error) => {
      throw new Error(`${error.message}:\n${this.#log}`);
    });
  }

  /** Milliseconds of processor time that its processes have used. */
  processorTime(): number {
    return [this.pid, ...childrenOf(this.pid)].reduce((sum, pid) => sum + processorTime(pid), 0);
  }

  async #hasAgent(): Promise<boolean> {
    try {
      const { agents } = await this.client().read(AGENTS, 'GET', '/v1/agents');
      return agents.some(({ alive, state, kernel }) => alive && state['source'] !== undefined && kernel?.up === true);
    } catch {
      return false;
    }
  }

  /** Ids of its processes that run now. */
  pids(): Map<ProcessName, number> {
    const found = new Map<ProcessName, number>();
    for (const pid of childrenOf(this.pid)) {
      const [name] = /opener|kernel-process|server|agent/.exec(commandLine(pid).slice(2).join(' ')) ?? [];
      if (name) found.set(name === 'kernel-process' ? 'kernel' : (name as ProcessName), pid);
    }
    return found;
  }

  /** Sends SIGTERM, after a minute SIGKILL, and waits for the end. Data stays. */
  async stop(): Promise<void> {
    const child = this.#supervisor;
    if (!child) return;
    await end(child, 'SIGTERM');
    this.#supervisor = null;
  }

  /** Sends SIGKILL to the supervisor and waits until its children have ended by themselves. */
  async killSupervisor(): Promise<void> {
    const child = this.#supervisor;
    if (!child) return;
    const children = childrenOf(this.pid);
    await end(child, 'SIGKILL');
    const deadline = Date.now() + STOP_TIMEOUT_MS;
    while (children.some((pid) => existsSync(`/proc/${pid}`)) && Date.now() < deadline) await sleep(10);
    this.#supervisor = null;
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await closed;
  clearTimeout(timer);
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
