import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Broker } from '../../src/bus/broker.ts';
import { eventually } from './eventually.ts';

const BIN = '/usr/lib/rabbitmq/bin';

/** A RabbitMQ node of the tests' own on loopback, as Debian packages it, with its own epmd. */
export class RabbitNode {
  readonly directory = mkdtempSync(join(tmpdir(), 'phmq-'));
  readonly #name = `ph${randomBytes(4).toString('hex')}@localhost`;
  #ports = { amqp: 0, amqps: 0, dist: 0, epmd: 0 };
  #process: ChildProcess | null = null;
  #log = '';

  /** @param settings more lines of rabbitmq.conf; `{amqps}` in them stands for a free port */
  async start(settings: readonly string[] = []): Promise<this> {
    const [amqp = 0, amqps = 0, dist = 0, epmd = 0] = await freePorts(4);
    this.#ports = { amqp, amqps, dist, epmd };
    for (const name of ['home', 'log']) mkdirSync(join(this.directory, name));
    writeFileSync(join(this.directory, 'plugins'), '[].\n');
    const lines = ['loopback_users.guest = true', 'log.console = true', 'log.console.level = warning', ...settings];
    writeFileSync(join(this.directory, 'rabbitmq.conf'), `${lines.join('\n').replaceAll('{amqps}', String(amqps))}\n`);
    await this.launch();
    return this;
  }

  get port(): number {
    return this.#ports.amqp;
  }

  get tlsPort(): number {
    return this.#ports.amqps;
  }

  url({ user = 'guest:guest', vhost = '' } = {}): string {
    return `amqp://${user}@127.0.0.1:${this.port}/${vhost}`;
  }

  broker(rest: Partial<Broker> = {}): Broker {
    const hosts = [`127.0.0.1:${this.port}`];
    return { hosts, username: 'guest', password: 'guest', vhost: '/', tls: null, heartbeatSeconds: 10, ...rest };
  }

  /** Starts the node on what is there. */
  async launch(): Promise<void> {
    const child = spawn(join(BIN, 'rabbitmq-server'), [], {
      env: this.environment(),
      cwd: this.directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        this.#log = (this.#log + chunk).slice(-50_000);
      });
    this.#process = child;
    try {
      await eventually(
        () => {
          if (child.exitCode !== null) throw new Error('RabbitMQ ended');
          return this.#log.includes('Starting broker...') && this.#tryControl('await_startup');
        },
        { what: 'RabbitMQ starts', timeoutMs: 60_000 },
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.#log}`);
    }
  }

  control(...argv: string[]): string {
    return execFileSync(join(BIN, 'rabbitmqctl'), ['-q', ...argv], {
      env: this.environment(),
      cwd: this.directory,
      encoding: 'utf8',
      stdio: 'pipe',
    });
  }

  /** Ends the node at once, as a crash does. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    // Its launcher is a shell: the node is in the shell's process group.
    process.kill(-child.pid, 'SIGKILL');
    await closed;
    this.#log = '';
  }

  /** Holds the node as it is, so that connections stay and nothing is answered, and lets it go on. */
  pause(on: boolean): void {
    if (this.#process?.pid) process.kill(-this.#process.pid, on ? 'SIGSTOP' : 'SIGCONT');
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.launch();
  }

  async stop(): Promise<void> {
    await this.kill();
    try {
      execFileSync('epmd', ['-port', String(this.#ports.epmd), '-kill'], { stdio: 'ignore' });
    } catch {
      // It was not started, or went already.
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  #tryControl(...argv: string[]): boolean {
    try {
      this.control(...argv);
      return true;
    } catch {
      return false;
    }
  }

  /** The environment in which rabbitmqctl finds this node. */
  environment(): NodeJS.ProcessEnv {
    const { amqp, dist, epmd } = this.#ports;
    return {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      LANG: 'C.UTF-8',
      HOME: join(this.directory, 'home'),
      ERL_EPMD_PORT: String(epmd),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_NODENAME: this.#name,
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_NODE_PORT: String(amqp),
      RABBITMQ_DIST_PORT: String(dist),
      RABBITMQ_MNESIA_BASE: join(this.directory, 'data'),
      RABBITMQ_LOG_BASE: join(this.directory, 'log'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(this.directory, 'plugins'),
      RABBITMQ_PID_FILE: join(this.directory, 'node.pid'),
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
      RABBITMQ_CONFIG_FILE: join(this.directory, 'rabbitmq'),
    };
  }
}

/** Ports of loopback that were free a moment ago, each another. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
