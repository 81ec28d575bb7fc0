import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { CLI } from './cli-path.ts';
import { eventually } from './eventually.ts';

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Pinhole's command, running, with what it prints. Its environment has no setting of Pinhole's that a test does not give. */
export class Started {
  readonly #child: ChildProcess;
  readonly #closed: Promise<Ended>;
  stdout = '';
  stderr = '';

  constructor(argv: readonly string[], { cwd = '/', env = {} }: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {}) {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith('PINHOLE_'));
    this.#child = spawn(process.execPath, [CLI, ...argv], {
      cwd,
      env: { ...Object.fromEntries(own), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.on('data', (chunk) => {
      this.stdout += chunk;
    });
    this.#child.stderr?.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.#closed = new Promise((resolve) => {
      this.#child.once('close', (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr }));
    });
  }

  /** Ids of the processes that it started and that run. */
  children(): number[] {
    const { pid } = this.#child;
    const file = `/proc/${pid}/task/${pid}/children`;
    return existsSync(file) ? readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number) : [];
  }

  /** Resolves when it has ended by itself. */
  ended(): Promise<Ended> {
    return this.#closed;
  }

  /** Resolves when the test says that it is ready; fails with its output if it ends before. */
  async ready(isReady: () => boolean | Promise<boolean>): Promise<void> {
    await eventually(
      () => {
        if (this.#child.exitCode !== null) throw new Error(`it ended with ${this.#child.exitCode}: ${this.stdout}${this.stderr}`);
        return isReady();
      },
      { what: 'it is ready', timeoutMs: 60_000 },
    ).catch((error) => {
      throw new Error(`${error.message}\n${this.stdout}${this.stderr}`);
    });
  }

  /** Sends SIGTERM and waits for the end. */
  async stop(): Promise<Ended> {
    if (this.#child.exitCode === null) this.#child.kill('SIGTERM');
    return this.#closed;
  }
}

/** Runs a command to its end. */
export function pinhole(
  argv: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Ended> {
  return new Started(argv, options).ended();
}
