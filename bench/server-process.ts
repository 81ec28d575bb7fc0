import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newTokenText } from '../src/contract/token.ts';
import { newFolder } from './folder.ts';
import { UNLIMITED } from './measure.ts';

const CLI = fileURLToPath(new URL('../pinhole/cli.js', import.meta.url));

/** A server in a process of its own. The load comes from this process. */
export class ServerProcess {
  readonly directory: string;
  readonly token = newTokenText();
  readonly #child: ChildProcess;

  private constructor(directory: string, config: string) {
    this.directory = directory;
    mkdirSync(join(directory, 'server'));
    mkdirSync(join(directory, 'run', 'server'), { recursive: true });
    writeFileSync(join(directory, 'admin-token'), this.token);
    const file = join(directory, 'pinhole.yaml');
    writeFileSync(file, `api:\n  quota_per_router: -1\nlog_level: error\n${UNLIMITED}${config}`);
    const argv = ['--max-semi-space-size=8', CLI, 'server', '--config', file, '--data-dir', directory, '--listen', '127.0.0.1:0'];
    this.#child = spawn(process.execPath, argv, { stdio: 'inherit' });
  }

  /** @param config additional configuration, as YAML */
  static async start(config = ''): Promise<ServerProcess> {
    // Not in the temporary folder, which may be in memory, where a sync costs nothing.
    const directory = newFolder(fileURLToPath(new URL('../../bench/.server-', import.meta.url)));
    const server = new ServerProcess(directory, config);
    while (!existsSync(server.#endpoint)) {
      if (server.#child.exitCode !== null) throw new Error(`the server ended with ${server.#child.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return server;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get url(): URL {
    return new URL(readFileSync(this.#endpoint, 'utf8').trim());
  }

  get database(): string {
    return join(this.directory, 'server', 'pinhole.db');
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill('SIGTERM');
    await ended;
    rmSync(this.directory, { recursive: true, force: true });
  }

  get #endpoint(): string {
    return join(this.directory, 'run', 'server', 'endpoint');
  }
}
