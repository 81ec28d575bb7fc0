import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, it } from 'vitest';
import { Client } from '../../src/client/client.ts';
import { helpersOf } from '../../src/client/resources.ts';
import { ROUTER } from '../../src/contract/router.ts';
import { newTokenText } from '../../src/contract/token.ts';
import { eventually } from '../support/eventually.ts';

const CLI = resolve(import.meta.dirname, '../../dist/pinhole/cli.js');

/** A server without other processes, under a tracer or on a small disk. */
class TracedServer {
  readonly directory = mkdtempSync(join(tmpdir(), 'phd-'));
  readonly data = join(this.directory, 'data');
  readonly trace = join(this.directory, 'trace');
  readonly #token = newTokenText();
  #child: ReturnType<typeof spawn> | null = null;
  #mounted = false;

  get #endpoint(): string {
    return join(this.data, 'run', 'server', 'endpoint');
  }

  /** Address of the API, once it listens. */
  get url(): string {
    return readFileSync(this.#endpoint, 'utf8').trim();
  }

  /** Mounts a disk of this many KiB as the data folder. */
  mountSmallDisk(kib: number): void {
    mkdirSync(this.data);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', this.data]);
    this.#mounted = true;
  }

  async start(strace: readonly string[] = []): Promise<Client> {
    // The server gives up root, and another user has to enter the folder.
    chmodSync(this.directory, 0o755);
    for (const path of [join(this.data, 'server'), join(this.data, 'run', 'server')]) mkdirSync(path, { recursive: true });
    writeFileSync(join(this.data, 'admin-token'), this.#token);
    const config = join(this.directory, 'pinhole.yaml');
    writeFileSync(config, 'host: h\nlog_level: fatal\napi:\n  quota_per_router: -1\n');
    const argv = [process.execPath, CLI, 'server', '--config', config, '--data-dir', this.data, '--listen', '127.0.0.1:0'];
    const [command = '', ...rest] = [...strace, ...argv];
    this.#child = spawn(command, rest, { stdio: 'ignore', detached: true });
    await eventually(() => existsSync(this.#endpoint), { what: 'the server listens', timeoutMs: 30_000 });
    return new Client({ url: this.url, token: this.#token }, {});
  }

  /** Hints that were delivered are removed a little later, in a commit of its own. */
  async hintsAreCleared(): Promise<void> {
    const database = new Database(join(this.data, 'server', 'pinhole.db'), { readonly: true });
    const count = database.prepare('select count(*) from outbox').pluck();
    await eventually(() => count.get() === 0, { what: 'the outbox is empty' });
    database.close();
  }

  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child?.pid && child.exitCode === null) {
      const closed = new Promise((resolve) => child.once('close', resolve));
      // Kills the tracer's process group: without its tracer, the server would go on.
      process.kill(-child.pid, 'SIGKILL');
      await closed;
    }
    if (existsSync(join(this.data, 'run'))) rmSync(join(this.data, 'run'), { recursive: true });
  }

  async destroy(): Promise<void> {
    await this.stop();
    if (this.#mounted) {
      await eventually(() => {
        try {
          execFileSync('umount', [this.data], { stdio: 'ignore' });
          return true;
        } catch {
          return false;
        }
      });
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

describe('durability: an acknowledged write is on disk', () => {
  const open: TracedServer[] = [];
  afterEach(async () => {
    for (const server of open.splice(0)) await server.destroy();
  });
  function traced(): TracedServer {
    const server = new TracedServer();
    open.push(server);
    return server;
  }
  const helpers = async (client: Client, router: string) => (await helpersOf(client, router)).map(({ value: { port } }) => port);
  const create = (client: Client, router: string, port: number) =>
    client.call('POST', `/v1/routers/${router}/helpers`, { helper: 'ftp', protocol: 'tcp', port });

  /** Adds helpers. @returns the ports of those that the server acknowledged, and the number that it refused with 503 */
  async function createMany(client: Client, router: string, bounds: { count: number; untilRefused: number }) {
    const answered: number[] = [1];
    let refused = 0;
    for (let port = 100; port < 100 + bounds.count && refused < bounds.untilRefused; port++) {
      try {
        await create(client, router, port);
        answered.push(port);
      } catch (error) {
        expect(error).toMatchObject({ code: 'store-unavailable' });
        refused++;
      }
    }
    return { answered, refused };
  }

  it('a server that is killed in the middle of a file has made all of its changes or none', { timeout: 120_000 }, async () => {
    const server = traced();
    const ports = Array.from({ length: 60 }, (_, index) => 100 + index);
    const file = {
      routers: Array.from({ length: 40 }, (_, name) => ({ name: `r${name}`, helpers: ports.map((port) => ({ helper: 'ftp', port })) })),
    };
    const declared = async (client: Client) => {
      const { routers } = (await client.call('GET', '/v1/routers')) as { routers: { id: string }[] };
      const counts = await Promise.all(routers.map(async ({ id }) => (await helpersOf(client, id)).length));
      return [routers.length, counts.reduce((sum, count) => sum + count, 0)];
    };
    let client = await server.start();
    const started = performance.now();
    await client.call('POST', '/v1/apply', file);
    const whole = performance.now() - started;
    expect(await declared(client)).toEqual([40, 2_400]);
    let killed = 0;
    for (let round = 1; round <= 5; round++) {
      await client.call('POST', '/v1/apply?prune=true', { routers: [] });
      const begun = performance.now();
      let isAnswered = false;
      const answer = client.call('POST', '/v1/apply', file).then(
        () => {
          isAnswered = true;
        },
        () => undefined,
      );
      await eventually(() => isAnswered || performance.now() - begun > (whole * round) / 6, { what: 'the moment to kill the server' });
      await server.stop();
      await answer;
      if (!isAnswered) killed++;
      client = await server.start();
      const found = await declared(client);
      expect([
        [0, 0],
        [40, 2_400],
      ]).toContainEqual(found);
      if (isAnswered) expect(found).toEqual([40, 2_400]);
    }
    expect(killed).toBeGreaterThan(0);
  });

  it('a trace shows that the server writes the write-ahead log, syncs it, and then answers', async () => {
    const server = traced();
    const client = await server.start([
      'strace',
      '-f',
      '-qq',
      '-y',
      '-e',
      'trace=fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg',
      '-s',
      '120',
      '-o',
      server.trace,
    ]);
    const { id } = await client.read(ROUTER, 'POST', '/v1/routers', { name: 'r' });
    await server.hintsAreCleared();
    const before = readFileSync(server.trace, 'utf8').length;
    await create(client, id, 4321);
    const lines = readFileSync(server.trace, 'utf8').slice(before).split('\n');
    const at = (pattern: RegExp) => lines.findIndex((line) => pattern.test(line));
    const [written, synced, answered] = [
      at(/pwrite64\(\d+<[^>]*pinhole\.db-wal>/),
      at(/f(data)?sync\(\d+<[^>]*pinhole\.db-wal>\)\s+= 0/),
      at(/HTTP\/1\.1 201/),
    ];
    expect(written).toBeGreaterThanOrEqual(0);
    expect(synced).toBeGreaterThan(written);
    expect(answered).toBeGreaterThan(synced);
  });

  it('an I/O error in the sync gives 503 and leaves no row, and the server keeps running', async () => {
    const server = traced();
    let client = await server.start();
    const { id } = await client.read(ROUTER, 'POST', '/v1/routers', { name: 'r' });
    await create(client, id, 1);
    await server.stop();
    // The first syncs open the database and must succeed; after them, one in three fails.
    client = await server.start([
      'strace',
      '-f',
      '-qq',
      '-e',
      'trace=fdatasync,fsync',
      '-e',
      'inject=fdatasync,fsync:error=EIO:when=20+3',
      '-o',
      server.trace,
    ]);
    const { answered, refused } = await createMany(client, id, { count: 40, untilRefused: 40 });
    expect(refused).toBeGreaterThan(3);
    expect((await helpers(client, id)).sort((a, b) => a - b)).toEqual(answered);
    await server.stop();
    client = await server.start();
    expect((await helpers(client, id)).sort((a, b) => a - b)).toEqual(answered);
  });

  it('a full disk gives 503, also to load balancers, and leaves no row; once there is room, writes succeed again', async () => {
    const server = traced();
    server.mountSmallDisk(1200);
    let client = await server.start();
    const { id } = await client.read(ROUTER, 'POST', '/v1/routers', { name: 'r' });
    await create(client, id, 1);
    writeFileSync(join(server.data, 'ballast'), Buffer.alloc(64 * 1024));
    const { answered, refused } = await createMany(client, id, { count: 1900, untilRefused: 20 });
    expect(refused).toBe(20);
    const health = async () => (await fetch(`${server.url}/healthcheck`)).status;
    expect(await health()).toBe(503);
    expect((await helpers(client, id)).sort((a, b) => a - b)).toEqual(answered);
    rmSync(join(server.data, 'ballast'));
    await create(client, id, 60000);
    expect(await health()).toBe(200);
    await server.stop();
    client = await server.start();
    expect((await helpers(client, id)).sort((a, b) => a - b)).toEqual([...answered, 60000]);
  });
});
