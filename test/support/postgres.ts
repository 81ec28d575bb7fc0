import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { eventually } from './eventually.ts';

/** A PostgreSQL cluster of the tests' own, on a unix socket, as Debian packages it. It refuses root: there it runs as `postgres`. */
export class PostgresCluster {
  readonly directory = mkdtempSync(join(tmpdir(), 'phpg-'));
  readonly #bin = binaries();
  readonly #account = process.getuid?.() === 0 ? account('postgres') : null;
  #process: ChildProcess | null = null;
  #log = '';

  async start(settings: readonly string[] = []): Promise<this> {
    const data = join(this.directory, 'data');
    mkdirSync(data, { mode: 0o700, recursive: true });
    if (this.#account) for (const path of [this.directory, data]) chownSync(path, this.#account.uid, this.#account.gid);
    const ids = this.#account ?? {};
    const env = { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' };
    const quiet = { ...ids, env, cwd: this.directory, stdio: 'pipe' as const };
    execFileSync(join(this.#bin, 'initdb'), ['-D', data, '-U', 'pinhole', '--auth=trust', '--no-sync'], quiet);
    await this.launch(settings);
    return this;
  }

  /** Starts the server on the data that is there. */
  async launch(settings: readonly string[] = []): Promise<void> {
    const options = ['-D', join(this.directory, 'data'), '-k', this.directory, '-c', 'listen_addresses=', '-c', 'max_connections=200'];
    const env = { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' };
    const child = spawn(join(this.#bin, 'postgres'), [...options, ...settings.flatMap((setting) => ['-c', setting])], {
      ...(this.#account ?? {}),
      env,
      cwd: this.directory,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stderr.on('data', (chunk) => {
      this.#log = (this.#log + chunk).slice(-100_000);
    });
    this.#process = child;
    await eventually(() => this.#answers(), { what: 'PostgreSQL answers', timeoutMs: 30_000 }).catch((error) => {
      throw new Error(`${error.message}\n${this.#log}`);
    });
  }

  url(database = 'postgres'): string {
    return databaseUrl(this.directory, database);
  }

  /** @returns URL of a new, empty database */
  async newDatabase(): Promise<string> {
    return newDatabase(this.url());
  }

  /** Ends the server: `SIGINT` at once with a clean end, `SIGQUIT` as a crash. The data stays. */
  async halt(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null) return;
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.kill(signal);
    await closed;
    this.#process = null;
  }

  async stop(): Promise<void> {
    await this.halt();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async #answers(): Promise<boolean> {
    if (this.#process?.exitCode !== null) throw new Error(`PostgreSQL ended:\n${this.#log}`);
    const client = new pg.Client({ connectionString: this.url() });
    try {
      await client.connect();
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

/** Makes a database beside the one that a URL names. @returns its URL */
export async function newDatabase(url: string): Promise<string> {
  const name = `ph_${randomBytes(6).toString('hex')}`;
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`create database ${name} template template0`);
  await client.end();
  return url.replace(/\/\w+\?/, `/${name}?`);
}

function databaseUrl(socketDirectory: string, database: string): string {
  return `postgresql://pinhole@/${database}?host=${encodeURIComponent(socketDirectory)}`;
}

function binaries(): string {
  const root = '/usr/lib/postgresql';
  const [newest] = readdirSync(root).sort((a, b) => Number(b) - Number(a));
  if (!newest) throw new Error('PostgreSQL is not installed: bash scripts/setup.sh test');
  return join(root, newest, 'bin');
}

function account(name: string): { uid: number; gid: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((row) => row.startsWith(`${name}:`));
  if (!line) throw new Error(`there is no user ${name}: bash scripts/setup.sh test`);
  const [, , uid, gid] = line.split(':');
  return { uid: Number(uid), gid: Number(gid) };
}
