import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RabbitBus } from '../../src/bus/rabbitmq.ts';
import { METHODS, REPORTS_TOPIC } from '../../src/wire/topics.ts';
import { eventually } from './eventually.ts';
import { realPorts } from './ports.ts';
import { freePorts, RabbitNode } from './rabbitmq.ts';

export const CLOUD_HOST = 'pinhole-cloud';
const PATH = '/usr/sbin:/usr/bin:/sbin:/bin';
const STUB_MS = 20_000;

type Part = 'server' | 'l3-agent';

export interface CloudRouter {
  readonly id: string;
  readonly netns: string;
}

/**
 * OpenStack Neutron on one machine, as Debian packages it: neutron-server with MariaDB and RabbitMQ, and its L3 agent, whose
 * `conntrack_helper` extension is off unless asked for. The interface driver makes plain veth pairs; a stub says that it
 * binds ports, for there is no Open vSwitch.
 */
export class Cloud {
  readonly directory = mkdtempSync(join(tmpdir(), 'phcloud-'));
  readonly rabbit = new RabbitNode();
  readonly #processes = new Map<string, ChildProcess>();
  #extensions: readonly string[];
  readonly #routers: CloudRouter[] = [];
  #port = 0;
  #stub: { bus: RabbitBus; timer: NodeJS.Timeout } | null = null;

  constructor({ extensions = [] }: { extensions?: readonly string[] } = {}) {
    this.#extensions = extensions;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get conf(): string {
    return join(this.directory, 'neutron.conf');
  }

  async start(): Promise<this> {
    const [port = 0] = await freePorts(1);
    this.#port = port;
    await Promise.all([this.rabbit.start(), this.#startDatabase()]);
    this.#configure();
    this.#neutron('neutron-db-manage', ['--config-file', this.conf, '--config-file', join(this.directory, 'ml2.ini'), 'upgrade', 'heads']);
    await this.startServer();
    await this.#startStub();
    await this.startL3Agent();
    return this;
  }

  async stop(): Promise<void> {
    if (this.#stub) {
      clearInterval(this.#stub.timer);
      await this.#stub.bus.close();
    }
    for (const name of [...this.#processes.keys()].reverse()) await this.halt(name as Part);
    await this.rabbit.stop();
    for (const { netns } of this.#routers) {
      try {
        execFileSync('ip', ['netns', 'del', netns], { stdio: 'ignore' });
      } catch {
        // The L3 agent took it away, or never made it.
      }
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  async startServer(): Promise<void> {
    const files = ['--config-file', this.conf, '--config-file', join(this.directory, 'ml2.ini')];
    this.#spawn('server', 'neutron-server', files);
    await eventually(
      () =>
        this.call('GET', '/networks').then(
          () => true,
          () => false,
        ),
      { what: 'neutron-server answers', timeoutMs: 90_000 },
    );
  }

  async startL3Agent(): Promise<void> {
    this.#spawn('l3-agent', 'neutron-l3-agent', ['--config-file', this.conf, '--config-file', join(this.directory, 'l3_agent.ini')]);
    await eventually(() => this.#isAlive('L3 agent'), { what: 'the L3 agent is alive', timeoutMs: 90_000 });
  }

  /** With other extensions than before. */
  async restartL3Agent(extensions: readonly string[]): Promise<void> {
    await this.halt('l3-agent');
    this.#extensions = extensions;
    this.#configure();
    await this.startL3Agent();
  }

  /** Ends a part with everything that it started. */
  async halt(name: Part, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#processes.get(name);
    this.#processes.delete(name);
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
    const closed = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    process.kill(child.pid, signal);
    const timer = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), 30_000);
    await closed;
    clearTimeout(timer);
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Nothing of it was left.
    }
  }

  /** The networking API. @returns the body @throws Error with the answer where it is no success */
  async call<T = Record<string, never>>(method: string, path: string, body?: object): Promise<T> {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${this.url}/v2.0${path}`, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return (text === '' ? {} : JSON.parse(text)) as T;
  }

  /** Debian's openstack client. @returns what it printed */
  async openstack(...argv: string[]): Promise<string> {
    const child = spawn('openstack', ['--os-auth-type', 'none', '--os-endpoint', this.url, ...argv], {
      env: { PATH, HOME: this.directory },
    });
    let [out, errors] = ['', ''];
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`openstack ${argv.join(' ')}: ${errors}`);
    return out;
  }

  async network(name: string, cidr: string, rest: object = {}): Promise<{ id: string; subnet: string }> {
    const project = { tenant_id: 'p1' };
    const { network } = await this.call<{ network: { id: string } }>('POST', '/networks', { network: { name, ...project, ...rest } });
    const wanted = { network_id: network.id, cidr, ip_version: 4, ...project };
    const { subnet } = await this.call<{ subnet: { id: string } }>('POST', '/subnets', { subnet: wanted });
    return { id: network.id, subnet: subnet.id };
  }

  /** A router with an interface, from the moment that its namespace is there. */
  async router(name: string, { subnet, external }: { subnet: string; external?: string }): Promise<CloudRouter> {
    const gateway = external === undefined ? {} : { external_gateway_info: { network_id: external } };
    const { router } = await this.call<{ router: { id: string } }>('POST', '/routers', { router: { name, tenant_id: 'p1', ...gateway } });
    const made = { id: router.id, netns: `qrouter-${router.id}` };
    this.#routers.push(made);
    await this.call('PUT', `/routers/${router.id}/add_router_interface`, { subnet_id: subnet });
    await eventually(() => namespaceExists(made.netns), { what: `namespace of router ${name}`, timeoutMs: 60_000 });
    return made;
  }

  /** Waits until neutron-server answers. */
  async answers(): Promise<void> {
    const asked = () =>
      this.call('GET', '/routers?limit=1').then(
        () => true,
        () => false,
      );
    await eventually(asked, { what: 'neutron-server answers', timeoutMs: 60_000 });
  }

  async helper(router: string, helper: string, protocol: string, port: number): Promise<string> {
    const body = { conntrack_helper: { helper, protocol, port } };
    const made = await this.call<{ conntrack_helper: { id: string } }>('POST', `/routers/${router}/conntrack_helpers`, body);
    return made.conntrack_helper.id;
  }

  /** A connection of the test's own to the cloud's RabbitMQ. */
  bus(name: string): RabbitBus {
    const broker = this.rabbit.broker();
    return new RabbitBus({ broker, exchange: 'neutron', declares: true, name, signs: false, trusted: null, ...realPorts });
  }

  log(name: Part): string {
    return readFileSync(join(this.directory, `${name}.log`), 'utf8');
  }

  async #isAlive(type: string): Promise<boolean> {
    const { agents } = await this.call<{ agents: { agent_type: string; alive: boolean }[] }>('GET', '/agents');
    return agents.some((agent) => agent.agent_type === type && agent.alive);
  }

  /** Says that a live Open vSwitch agent is here, so that ML2 binds the routers' ports. */
  async #startStub(): Promise<void> {
    const bus = this.bus('stub');
    const configurations = {
      bridge_mappings: {},
      datapath_type: 'system',
      ovs_capabilities: { datapath_types: ['system'], iface_types: [] },
    };
    const agent_type = 'Open vSwitch agent';
    const state = { binary: 'neutron-openvswitch-agent', host: CLOUD_HOST, topic: 'N/A', agent_type, configurations, start_flag: true };
    const report = () =>
      bus
        .call(REPORTS_TOPIC, METHODS.reportState, { agent_state: { agent_state: state }, time: new Date().toISOString().replace('Z', '') })
        .catch(() => undefined);
    this.#stub = { bus, timer: setInterval(() => void report(), STUB_MS) };
    await eventually(
      async () => {
        await report();
        return this.#isAlive(agent_type);
      },
      { what: 'ML2 can bind ports', timeoutMs: 60_000 },
    );
  }

  async #startDatabase(): Promise<void> {
    const data = join(this.directory, 'mysql');
    mkdirSync(data);
    const common = ['--no-defaults', '--user=root', `--datadir=${data}`];
    execFileSync('mariadb-install-db', [...common, '--auth-root-authentication-method=normal', '--skip-test-db'], {
      env: { PATH },
      stdio: 'pipe',
    });
    const rest = [
      `--socket=${this.#socket}`,
      `--pid-file=${join(this.directory, 'mysql.pid')}`,
      '--skip-networking',
      '--character-set-server=utf8mb4',
    ];
    this.#spawn('database', 'mariadbd', [...common, ...rest]);
    const sql = (text: string) =>
      execFileSync('mariadb', ['--no-defaults', '-uroot', '-S', this.#socket, '-e', text], { env: { PATH }, stdio: 'pipe' });
    await eventually(
      () => {
        try {
          sql('create database if not exists neutron character set utf8mb3');
          return true;
        } catch {
          return false;
        }
      },
      { what: 'MariaDB answers', timeoutMs: 60_000 },
    );
  }

  get #socket(): string {
    return join(this.directory, 'mysql.sock');
  }

  #configure(): void {
    const section = (name: string, options: Record<string, string | number | boolean>) =>
      [`[${name}]`, ...Object.entries(options).map(([key, value]) => `${key} = ${value}`), ''].join('\n');
    const write = (file: string, ...sections: string[]) => writeFileSync(join(this.directory, file), sections.join('\n'), { mode: 0o600 });
    const unlimited = Object.fromEntries(['router', 'network', 'subnet', 'port', 'floatingip'].map((what) => [`quota_${what}`, -1]));
    write(
      'neutron.conf',
      section('DEFAULT', {
        auth_strategy: 'noauth',
        bind_host: '127.0.0.1',
        bind_port: this.#port,
        host: CLOUD_HOST,
        core_plugin: 'ml2',
        service_plugins: 'router,conntrack_helper',
        transport_url: `rabbit://guest:guest@127.0.0.1:${this.rabbit.port}/`,
        state_path: join(this.directory, 'lib'),
        dhcp_agent_notification: false,
        notify_nova_on_port_status_changes: false,
        notify_nova_on_port_data_changes: false,
        api_workers: 2,
        rpc_workers: 1,
        l3_ha: false,
        api_paste_config: '/etc/neutron/api-paste.ini',
      }),
      section('quotas', unlimited),
      section('oslo_concurrency', { lock_path: join(this.directory, 'lock') }),
      section('database', { connection: `mysql+pymysql://root@localhost/neutron?unix_socket=${this.#socket}&charset=utf8mb4` }),
      section('agent', {
        root_helper: 'sudo neutron-rootwrap /etc/neutron/rootwrap.conf',
        root_helper_daemon: 'sudo neutron-rootwrap-daemon /etc/neutron/rootwrap.conf',
        report_interval: 10,
      }),
      section('oslo_messaging_notifications', { driver: 'noop' }),
      section('experimental', { linuxbridge: true }),
    );
    write(
      'ml2.ini',
      section('ml2', {
        type_drivers: 'local,flat',
        tenant_network_types: 'local',
        mechanism_drivers: 'openvswitch',
        extension_drivers: '',
      }),
      section('ml2_type_flat', { flat_networks: '*' }),
      section('securitygroup', { enable_security_group: false }),
    );
    write(
      'l3_agent.ini',
      section('DEFAULT', { interface_driver: 'linuxbridge', agent_mode: 'legacy', enable_metadata_proxy: false }),
      section('agent', { extensions: this.#extensions.join(',') }),
      section('privsep', { thread_pool_size: 16 }),
    );
  }

  #neutron(program: string, argv: readonly string[]): void {
    execFileSync(program, argv, { env: { PATH }, cwd: this.directory, stdio: 'pipe' });
  }

  /** In a process group of its own, so that all of it can be ended. */
  #spawn(name: string, program: string, argv: readonly string[]): void {
    const log = join(this.directory, `${name}.log`);
    const command = `exec "$0" "$@" >>${JSON.stringify(log)} 2>&1`;
    const child = spawn('/bin/sh', ['-c', command, program, ...argv], {
      env: { PATH, LANG: 'C.UTF-8' },
      cwd: this.directory,
      detached: true,
      stdio: 'ignore',
    });
    this.#processes.set(name, child);
  }
}

export function namespaceExists(netns: string): boolean {
  try {
    return execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
      .split('\n')
      .some((line) => line.split(' ')[0] === netns);
  } catch {
    return false;
  }
}
