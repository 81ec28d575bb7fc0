import { readdirSync, statSync } from 'node:fs';
import type { Capabilities } from '../../contract/agent.ts';
import type { Expectation } from '../../contract/expectation.ts';
import { HOST_NETNS, type Netns, showNetns } from '../../contract/netns.ts';
import { attempt, PinholeError, type Result } from '../../model/errors.ts';
import { isWatched, NONE_WATCHED, type Watched } from '../../model/watched.ts';
import type { Logger } from '../../ports/logger.ts';
import type {
  AllRules,
  Kernel,
  KernelEvent,
  LiveChange,
  NamespaceInfo,
  Observation,
  ObserveRequest,
  TableChange,
  Version,
} from '../interface.ts';
import { probeCapabilities } from './capabilities.ts';
import { type Epoll, type Libc, loadLibc } from './libc.ts';
import { NamespaceWatcher } from './namespace-watcher.ts';
import { MessageWriter } from './netlink.ts';
import { NetlinkSocket } from './netlink-socket.ts';
import { TableReader } from './nft-read.ts';
import { LocalOpener, NETNS_DIRECTORY, type Opener } from './opener.ts';
import { type Scratch, ServedNamespace } from './served-namespace.ts';

export interface LinuxKernelOptions {
  /** Which namespaces may be served: root-owned configuration, not the agent's word. */
  readonly allowed: (netns: Netns) => boolean;
  readonly logger: Logger;
  /** Instead of the C library's calls: tests leave out what an older kernel does not have. */
  readonly libc?: Libc;
  /** Opens sockets in namespaces; default: this process itself. */
  readonly opener?: Opener;
}

const RECEIVE_BUFFER = 256 * 1024;

/** The running Linux kernel, through netlink. Needs CAP_NET_ADMIN, and without an opener of another process CAP_SYS_ADMIN. */
export class LinuxKernel implements Kernel {
  readonly #options: LinuxKernelOptions;
  readonly #libc: Libc;
  readonly #opener: Opener;
  readonly #scratch: Scratch = { buffer: Buffer.alloc(RECEIVE_BUFFER), writer: new MessageWriter() };
  readonly #served = new Map<Netns, ServedNamespace>();
  readonly #byWatchFd = new Map<number, ServedNamespace>();
  readonly #listeners: ((event: KernelEvent) => void)[] = [];
  readonly #epoll: Epoll;
  readonly #watcher: NamespaceWatcher;
  readonly #capabilities: Capabilities;
  #watched = NONE_WATCHED;
  #closed = false;

  constructor(options: LinuxKernelOptions) {
    this.#options = options;
    this.#libc = options.libc ?? loadLibc();
    this.#opener = options.opener ?? new LocalOpener(this.#libc);
    this.#capabilities = this.#probe();
    this.#epoll = this.#libc.epoll();
    this.#watcher = new NamespaceWatcher(NETNS_DIRECTORY, {
      inode: (netns) => this.#opener.inode(netns),
      changed: (netns, inode) => this.#onNamespace(netns, inode),
      logger: options.logger,
    });
    void this.#watchLoop();
  }

  async capabilities(): Promise<Capabilities> {
    return this.#capabilities;
  }

  async namespaces(): Promise<NamespaceInfo[]> {
    const names = [...listDirectory(NETNS_DIRECTORY), HOST_NETNS].filter((netns) => this.#options.allowed(netns));
    return names.flatMap((netns) => {
      const result = attempt(() => this.#info(netns));
      return result.ok ? [result.value] : [];
    });
  }

  async observe(requests: readonly ObserveRequest[]): Promise<Result<Observation>[]> {
    return requests.map(({ netns, known }) => attempt(() => this.#serve(netns).observe(known)));
  }

  async apply(changes: readonly TableChange[]): Promise<Result<Version>[]> {
    return changes.map((change) => attempt(() => this.#serve(change.netns).apply(change)));
  }

  async changeLive(netns: Netns, change: LiveChange): Promise<number> {
    return this.#serve(netns).changeLive(change);
  }

  async expectations(netns: Netns): Promise<Expectation[]> {
    return this.#serve(netns).expectations();
  }

  async watchExpectations(netnses: Watched): Promise<void> {
    this.#watched = netnses;
    for (const [netns, served] of this.#served) served.watchExpectations(isWatched(netnses, netns));
  }

  async allRules(netns: Netns): Promise<AllRules> {
    this.#checkAllowed(netns);
    try {
      return await this.#opener.allRules(netns);
    } catch (error) {
      if (error instanceof PinholeError) throw error;
      throw new PinholeError('internal', `nft cannot list the rules of ${showNetns(netns)}`, { cause: error });
    }
  }

  onEvent(listener: (event: KernelEvent) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watcher.close();
    this.#epoll.close();
    for (const netns of [...this.#served.keys()]) this.#release(netns);
    this.#opener.close();
  }

  #probe(): Capabilities {
    const socket = new NetlinkSocket(this.#libc, this.#opener.openNew());
    try {
      return probeCapabilities(socket, this.#scratch, this.#opener.host());
    } finally {
      this.#libc.closeLater(socket.fd);
    }
  }

  #info(netns: Netns): NamespaceInfo {
    const served = this.#current(netns);
    if (served) return { netns, comment: served.comment() };
    const [fd] = this.#opener.open(netns, ['netfilter']).fds as [number];
    const socket = new NetlinkSocket(this.#libc, fd);
    try {
      return { netns, comment: new TableReader(socket, this.#scratch.buffer).comment() };
    } finally {
      this.#libc.closeLater(socket.fd);
    }
  }

  /** The namespace now behind a name, with its sockets; one that was replaced under its name is let go first. */
  #serve(netns: Netns): ServedNamespace {
    this.#checkAllowed(netns);
    const current = this.#current(netns);
    if (current) return current;
    const served = new ServedNamespace(netns, { opener: this.#opener, libc: this.#libc, scratch: this.#scratch });
    this.#served.set(netns, served);
    this.#byWatchFd.set(served.watchFd, served);
    this.#epoll.add(served.watchFd);
    served.watchExpectations(isWatched(this.#watched, netns));
    return served;
  }

  #current(netns: Netns): ServedNamespace | null {
    const served = this.#served.get(netns);
    if (!served) return null;
    if (this.#opener.inode(netns) === served.inode) return served;
    this.#release(netns);
    return null;
  }

  #release(netns: Netns): void {
    const served = this.#served.get(netns);
    if (!served) return;
    this.#served.delete(netns);
    this.#byWatchFd.delete(served.watchFd);
    this.#epoll.remove(served.watchFd);
    served.close();
  }

  #checkAllowed(netns: Netns): void {
    if (this.#options.allowed(netns)) return;
    throw new PinholeError('netns-denied', `configuration does not let Pinhole serve network namespace ${showNetns(netns)}`);
  }

  #onNamespace(netns: Netns, inode: number | null): void {
    if (!this.#options.allowed(netns)) return;
    const served = this.#served.get(netns);
    if (served && served.inode !== inode) this.#release(netns);
    this.#emit({ event: 'namespace', netns, present: inode !== null });
  }

  async #watchLoop(): Promise<void> {
    while (!this.#closed) {
      for (const fd of await this.#epoll.wait()) {
        try {
          this.#byWatchFd.get(fd)?.drainEvents((event) => this.#emit(event));
        } catch (error) {
          this.#options.logger.error({ err: error }, 'reading kernel events failed');
        }
      }
    }
  }

  #emit(event: KernelEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

function listDirectory(path: string): string[] {
  return statSync(path, { throwIfNoEntry: false }) ? readdirSync(path) : [];
}
