import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentPermissions, type Permissions, SERVER_PERMISSIONS } from '../../src/bus/permissions.ts';
import { paths } from '../../src/config/config.ts';
import { newTokenText } from '../../src/contract/token.ts';
import { FakeKernel } from '../../src/kernel/fake/fake-kernel.ts';
import { KernelService } from '../../src/kernel/service.ts';
import { CLI } from './cli-path.ts';
import { eventually } from './eventually.ts';
import { realPorts } from './ports.ts';
import { PostgresCluster } from './postgres.ts';
import { freePorts, RabbitNode } from './rabbitmq.ts';
import { refuseUncaught } from './uncaught.ts';

const UNPRIVILEGED = 65_534;
const PASSWORD = 'of-the-test';

export interface FleetOptions {
  readonly servers: number;
  readonly agents: number;
  /** More lines of YAML for servers and agents. */
  readonly serverConfig?: string;
  readonly agentConfig?: string;
}

/** A process of Pinhole's that can be killed and started again on what it left. */
export class FleetProcess {
  readonly name: string;
  readonly #argv: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | null = null;
  log = '';

  constructor(name: string, argv: readonly string[], env: NodeJS.ProcessEnv) {
    this.name = name;
    this.#argv = argv;
    this.#env = env;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    const child = spawn(process.execPath, [CLI, ...this.#argv], {
      env: this.#env,
      uid: UNPRIVILEGED,
      gid: UNPRIVILEGED,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        this.log = (this.log + chunk).slice(-100_000);
      });
    this.#child = child;
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return refuseUncaught(this.log);
    const closed = new Promise<void>((done) => child.once('close', () => done()));
    child.kill(signal);
    await closed;
    refuseUncaught(this.log);
  }

  async restart(): Promise<void> {
    await this.end();
    this.start();
  }
}

/**
 * `pinhole server` × N on PostgreSQL and RabbitMQ, and `pinhole agent` × M, each its own process and its own user of the bus. Kernels
 * are fake ones that live here, behind the sockets where agents look for their kernel process: they outlive agents, as kernels do.
 */
export class Fleet {
  readonly directory = mkdtempSync(join(tmpdir(), 'phfleet-'));
  readonly postgres = new PostgresCluster();
  readonly rabbit = new RabbitNode();
  readonly token = newTokenText();
  readonly servers: FleetProcess[] = [];
  readonly agents: FleetProcess[] = [];
  readonly kernels: FakeKernel[] = [];
  readonly urls: string[] = [];
  readonly agentUrls: string[] = [];
  readonly #options: FleetOptions;
  readonly #services: KernelService[] = [];

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  hostOf(index: number): string {
    return `host-${index}`;
  }

  /** Servers, then agents. Kernels have what `prepare` gives them before their agents start. */
  async start(prepare: (kernel: FakeKernel, index: number) => void): Promise<this> {
    chmodSync(this.directory, 0o755);
    await Promise.all([this.postgres.start(), this.rabbit.start()]);
    // The servers run as an unprivileged user, who may not enter the folder of PostgreSQL's socket by itself.
    chmodSync(this.postgres.directory, 0o755);
    this.#makeUsers();
    const database = await this.postgres.newDatabase();
    const ports = await freePorts(this.#options.servers + this.#options.agents);
    for (let index = 0; index < this.#options.servers; index++) await this.#addServer(index, database, ports[index] as number);
    for (let index = 0; index < this.#options.agents; index++) {
      const kernel = new FakeKernel();
      prepare(kernel, index);
      await this.#addAgent(index, kernel, ports[this.#options.servers + index] as number);
    }
    // One after the other: the first brings the database to this version.
    for (const [index, server] of this.servers.entries()) {
      server.start();
      await this.serverReady(index);
    }
    for (const agent of this.agents) agent.start();
    return this;
  }

  async serverReady(index: number): Promise<void> {
    const answers = () =>
      fetch(`${this.urls[index]}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
    await eventually(answers, { what: `server ${index} is ready`, timeoutMs: 30_000 }).catch((error) => {
      throw new Error(`${error.message}\n${this.servers[index]?.log}`);
    });
  }

  /** Has its desired state, and nothing left to do. */
  async agentSettled(index: number): Promise<void> {
    const settled = async () => ((await (await fetch(`${this.agentUrls[index]}/readyz`)).json()) as { settled: boolean }).settled;
    await eventually(() => settled().catch(() => false), { what: `agent ${index} settles`, timeoutMs: 30_000 }).catch((error) => {
      throw new Error(`${error.message}\n${this.agents[index]?.log}`);
    });
  }

  async stop(): Promise<void> {
    await Promise.all([...this.agents, ...this.servers].map((each) => each.end()));
    await Promise.all(this.#services.map((service) => service.close()));
    await this.rabbit.stop();
    await this.postgres.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** @returns status and body; status 0 where no answer came */
  async call(server: number, method: string, path: string, body?: unknown): Promise<{ status: number; body: never }> {
    const headers = { authorization: `Bearer ${this.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
    try {
      const signal = AbortSignal.timeout(20_000);
      const response = await fetch(`${this.urls[server]}${path}`, {
        method,
        headers,
        signal,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as never };
    } catch {
      return { status: 0, body: null as never };
    }
  }

  async #addServer(index: number, database: string, port: number): Promise<void> {
    const dataDir = this.#folder(`server-${index}`);
    const files = paths({ dataDir, runDir: join(dataDir, 'run') });
    writeFileSync(files.adminToken, this.token);
    const config = [
      `bus: { url: '${this.rabbit.url({ user: `pinhole-server:${PASSWORD}` })}' }`,
      `database: { url: '${database}' }`,
      'limits: { requests_per_second: 0, failures_per_second: 0 }',
      'log_level: warn',
      this.#options.serverConfig ?? '',
    ];
    const file = join(dataDir, 'pinhole.yaml');
    writeFileSync(file, `${config.join('\n')}\n`);
    this.urls.push(`http://127.0.0.1:${port}`);
    const argv = ['server', '--config', file, '--data-dir', dataDir, '--listen', `127.0.0.1:${port}`];
    this.servers.push(new FleetProcess(`server-${index}`, argv, { PATH: process.env['PATH'] }));
  }

  async #addAgent(index: number, kernel: FakeKernel, port: number): Promise<void> {
    const dataDir = this.#folder(`agent-${index}`);
    const files = paths({ dataDir, runDir: join(dataDir, 'run') });
    mkdirSync(files.kernelSocketDir, { recursive: true });
    const service = new KernelService(kernel, realPorts);
    await service.listen(files.kernelSocket);
    chmodSync(files.kernelSocket, 0o666);
    this.#services.push(service);
    this.kernels.push(kernel);
    this.agentUrls.push(`http://127.0.0.1:${port}`);
    const host = this.hostOf(index);
    const file = join(dataDir, 'pinhole.yaml');
    const url = this.rabbit.url({ user: `pinhole-agent-${host}:${PASSWORD}` });
    writeFileSync(
      file,
      `host: ${host}\nlog_level: warn\nagent: { listen: '127.0.0.1:${port}' }\nbus: { url: '${url}' }\n${this.#options.agentConfig ?? ''}`,
    );
    this.agents.push(new FleetProcess(`agent-${index}`, ['agent', '--config', file, '--data-dir', dataDir], { PATH: process.env['PATH'] }));
  }

  #folder(name: string): string {
    const path = join(this.directory, name);
    for (const sub of ['', 'server', 'agent', 'run', 'run/server', 'run/kernel']) {
      mkdirSync(join(path, sub), { recursive: true });
      chownSync(join(path, sub), UNPRIVILEGED, UNPRIVILEGED);
    }
    return path;
  }

  /** One import instead of three commands a user. */
  #makeUsers(): void {
    const users = [
      { name: 'pinhole-server', ...SERVER_PERMISSIONS },
      ...Array.from({ length: this.#options.agents }, (_, index) => ({
        name: `pinhole-agent-${this.hostOf(index)}`,
        ...agentPermissions(this.hostOf(index), 'pinhole'),
      })),
    ] satisfies (Permissions & { name: string })[];
    const definitions = {
      users: users.map(({ name }) => ({
        name,
        password_hash: hash(PASSWORD),
        hashing_algorithm: 'rabbit_password_hashing_sha256',
        tags: '',
      })),
      permissions: users.map(({ name, configure, write, read }) => ({ user: name, vhost: '/', configure, write, read })),
      topic_permissions: users.map(({ name, topicWrite, topicRead }) => ({
        user: name,
        vhost: '/',
        exchange: 'pinhole',
        write: topicWrite,
        read: topicRead,
      })),
    };
    const file = join(this.rabbit.directory, 'definitions.json');
    writeFileSync(file, JSON.stringify(definitions));
    this.rabbit.control('import_definitions', file);
  }
}

/** rabbit_password_hashing_sha256: salt, and SHA-256 of salt and password. */
function hash(password: string): string {
  const salt = randomBytes(4);
  return Buffer.concat([salt, createHash('sha256').update(salt).update(password).digest()]).toString('base64');
}
