import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** One end of a link: a host of the lab, its interface there and its addresses. */
export interface LinkEnd {
  readonly host: string;
  readonly interface: string;
  readonly addresses: readonly string[];
}

/**
 * Temporary hosts for the demo, proofs and tests: network namespaces under a common prefix, joined by veth pairs. Needs root.
 * {@link destroy} removes everything that was made. Methods throw an Error with the output of a command that fails.
 */
export class ScratchNetwork {
  readonly prefix: string;
  readonly #hosts: string[] = [];
  readonly #children = new Set<ChildProcess>();

  /** @param prefix letters and digits, short, and used by no other network */
  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** The name of a host's namespace. */
  netns(host: string): string {
    return `${this.prefix}-${host}`;
  }

  /** Adds a host whose loopback interface is up. @returns the name of its namespace */
  async addHost(host: string): Promise<string> {
    const netns = this.netns(host);
    await run('ip', ['netns', 'add', netns]);
    this.#hosts.push(netns);
    await run('ip', ['-n', netns, 'link', 'set', 'lo', 'up']);
    return netns;
  }

  /** Adds many hosts at once, with loopback down: half a millisecond each. */
  async addHosts(hosts: readonly string[]): Promise<void> {
    const names = hosts.map((host) => this.netns(host));
    await batch(names.map((netns) => `netns add ${netns}`));
    this.#hosts.push(...names);
  }

  /** Removes a host and its links. */
  async removeHost(host: string): Promise<void> {
    const netns = this.netns(host);
    await run('ip', ['netns', 'del', netns]);
    const at = this.#hosts.indexOf(netns);
    if (at >= 0) this.#hosts.splice(at, 1);
  }

  /** Joins two hosts by a veth pair. IPv4 addresses get a broadcast address; IPv6 addresses skip duplicate detection. */
  async link(a: LinkEnd, b: LinkEnd): Promise<void> {
    const lines = [`link add ${a.interface} netns ${this.netns(a.host)} type veth peer name ${b.interface} netns ${this.netns(b.host)}`];
    await batch(lines);
    for (const end of [a, b]) {
      const addresses = end.addresses.map((address) =>
        address.includes(':') ? `addr add ${address} dev ${end.interface} nodad` : `addr add ${address} brd + dev ${end.interface}`,
      );
      await batch([...addresses, `link set ${end.interface} up`], { flags: ['-n', this.netns(end.host)] });
    }
  }

  /** Adds a route to a host. */
  async route(host: string, destination: string, via: string): Promise<void> {
    await run('ip', ['-n', this.netns(host), 'route', 'add', destination, 'via', via]);
  }

  /** Loads rules in nft's syntax into a host. */
  async nft(host: string, rules: string): Promise<void> {
    // Node's pipes are sockets. nft 0.9.8 opens /dev/stdin by that name, which a socket refuses.
    const load = ['sh', '-c', 'cat | nft -f -'];
    const child = spawn('ip', ['netns', 'exec', this.netns(host), ...load], { stdio: ['pipe', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    child.stdin.end(rules);
    const code = await new Promise((resolve) => child.on('close', resolve));
    if (code !== 0) throw new Error(`nft in ${host}: ${errors}`);
  }

  /** Sets sysctls of a host. */
  async sysctl(host: string, settings: Readonly<Record<string, string | number>>): Promise<void> {
    const pairs = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    await this.exec(host, ['sysctl', '-qw', ...pairs]);
  }

  /** Runs a command in a host and waits for its end, at most 20 s by default. @throws Error with its output if it fails */
  async exec(
    host: string,
    argv: readonly string[],
    options: { timeoutMs?: number; cwd?: string } = {},
  ): Promise<{ stdout: string; stderr: string }> {
    return run('ip', ['netns', 'exec', this.netns(host), ...argv], {
      timeout: options.timeoutMs ?? 20_000,
      cwd: options.cwd,
      maxBuffer: 64 * 1024 * 1024,
    });
  }

  /** Starts a command in a host and does not wait. {@link destroy} ends it. */
  start(host: string, argv: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.netns(host), ...argv], { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    this.#children.add(child);
    child.on('close', () => this.#children.delete(child));
    return child;
  }

  /** Ids of all processes in a host. */
  async pids(host: string): Promise<number[]> {
    const { stdout } = await run('ip', ['netns', 'pids', this.netns(host)]);
    return stdout.split('\n').filter(Boolean).map(Number);
  }

  /** Ends all processes in the hosts and removes the hosts. */
  async destroy(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    const hosts = this.#hosts.splice(0);
    for (const pid of pidsIn(new Set(hosts))) kill(pid);
    await removeNamespaces(hosts);
  }
}

/** Ids of the processes in any of these namespaces. It reads /proc once for all of them. */
function pidsIn(names: ReadonlySet<string>): number[] {
  const inodes = new Set([...names].map((netns) => statSync(`/run/netns/${netns}`, { throwIfNoEntry: false })?.ino));
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return inodes.has(statSync(`/proc/${pid}/ns/net`).ino);
      } catch {
        return false;
      }
    });
}

/** Removes namespaces that an earlier run left behind, and ends the processes in them. @param isLeftover tells them by their names */
export async function removeLeftovers(isLeftover: (netns: string) => boolean): Promise<void> {
  const { stdout } = await run('ip', ['netns', 'list']).catch(() => ({ stdout: '' }));
  const names = stdout
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => name !== '' && isLeftover(name));
  if (names.length === 0) return;
  for (const pid of pidsIn(new Set(names))) kill(pid);
  await removeNamespaces(names);
}

/** A prefix for namespaces of this process, with its process id, so that concurrent runs do not collide. */
export function ownPrefix(family: string): string {
  return `${family}${process.pid}`;
}

/** {@link removeLeftovers} for namespaces under the {@link ownPrefix} of processes that have ended. */
export async function removeOrphans(family: string): Promise<void> {
  const pattern = new RegExp(`^${family}(\\d+)[^\\d]`);
  await removeLeftovers((netns) => {
    const pid = pattern.exec(netns)?.[1];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  });
}

/** Namespaces that do not exist are no error. */
async function removeNamespaces(names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await batch(
    names.map((netns) => `netns del ${netns}`),
    { flags: ['-force'] },
  ).catch(() => undefined);
}

async function batch(lines: readonly string[], { flags = [] }: { flags?: readonly string[] } = {}): Promise<void> {
  const child = spawn('ip', [...flags, '-batch', '-'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  child.stdin.end(`${lines.join('\n')}\n`);
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`ip -batch: ${errors}`);
}

/** A process that has ended meanwhile is no error. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
