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
 * Throw-away hosts: network namespaces under a prefix of their own, joined by veth pairs. For the demo, the doctor's proofs
 * and tests; {@link destroy} takes everything away again, whatever was made.
 */
export class ScratchNetwork {
  readonly prefix: string;
  readonly #hosts: string[] = [];
  readonly #children = new Set<ChildProcess>();

  /** @param prefix short, of letters and digits, and the caller's own */
  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** Name of a host's namespace. */
  netns(host: string): string {
    return `${this.prefix}-${host}`;
  }

  async addHost(host: string): Promise<string> {
    const netns = this.netns(host);
    await run('ip', ['netns', 'add', netns]);
    this.#hosts.push(netns);
    await run('ip', ['-n', netns, 'link', 'set', 'lo', 'up']);
    return netns;
  }

  /** Many at a time, without links: half a millisecond each. */
  async addHosts(hosts: readonly string[]): Promise<void> {
    const names = hosts.map((host) => this.netns(host));
    await batch(names.map((netns) => `netns add ${netns}`));
    this.#hosts.push(...names);
  }

  async removeHost(host: string): Promise<void> {
    const netns = this.netns(host);
    await run('ip', ['netns', 'del', netns]);
    const at = this.#hosts.indexOf(netns);
    if (at >= 0) this.#hosts.splice(at, 1);
  }

  /** Joins two hosts. IPv4 addresses get a broadcast address, IPv6 ones are usable at once. */
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

  async route(host: string, destination: string, via: string): Promise<void> {
    await run('ip', ['-n', this.netns(host), 'route', 'add', destination, 'via', via]);
  }

  /** Loads rules of the lab's own (a firewall, NAT) from nft text. */
  async nft(host: string, rules: string): Promise<void> {
    const child = spawn('ip', ['netns', 'exec', this.netns(host), 'nft', '-f', '-'], { stdio: ['pipe', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    child.stdin.end(rules);
    const code = await new Promise((resolve) => child.on('close', resolve));
    if (code !== 0) throw new Error(`nft in ${host}: ${errors}`);
  }

  async sysctl(host: string, settings: Readonly<Record<string, string | number>>): Promise<void> {
    const pairs = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
    await this.exec(host, ['sysctl', '-qw', ...pairs]);
  }

  /** Runs a command to its end. @throws with its output when it fails */
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

  /** Starts a command that goes on; {@link destroy} ends it. */
  start(host: string, argv: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.netns(host), ...argv], { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    this.#children.add(child);
    child.on('close', () => this.#children.delete(child));
    return child;
  }

  /** Process ids in a host, of whatever runs there. */
  async pids(host: string): Promise<number[]> {
    const { stdout } = await run('ip', ['netns', 'pids', this.netns(host)]);
    return stdout.split('\n').filter(Boolean).map(Number);
  }

  async destroy(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    const hosts = this.#hosts.splice(0);
    for (const pid of pidsIn(new Set(hosts))) kill(pid);
    await removeNamespaces(hosts);
  }
}

/** Processes that run in one of these namespaces; one look at /proc, whatever their number. */
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

/** Takes away what an earlier run could not: namespaces of its names, and the processes in them. */
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

/** Prefix of namespaces that are this process's own: nobody else's are in its way, and it is in nobody's. */
export function ownPrefix(family: string): string {
  return `${family}${process.pid}`;
}

/** {@link removeLeftovers} of processes that made namespaces under {@link ownPrefix} and are no more. */
export async function removeOrphans(family: string): Promise<void> {
  const pattern = new RegExp(`^${family}(\\d+)[^\\d]`);
  await removeLeftovers((netns) => {
    const pid = pattern.exec(netns)?.[1];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  });
}

/** Those that are gone already are no error. */
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

/** One that ended meanwhile is as good as killed. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
