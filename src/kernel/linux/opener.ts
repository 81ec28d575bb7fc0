import { type BigIntStats, closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { HOST_NETNS, type Netns } from '../../contract/netns.ts';
import { PinholeError } from '../../model/errors.ts';
import type { AllRules } from '../interface.ts';
import { readAllRules } from './all-rules.ts';
import type { Libc } from './libc.ts';
import * as libc from './libc.ts';

export const NETNS_DIRECTORY = '/run/netns';
const OWN_NETNS = '/proc/self/ns/net';

/** A netlink socket of netfilter, not bound; or a unix datagram socket, whose abstract name is the lock of a namespace's one writer. */
export type SocketKind = 'netfilter' | 'lock';

/** What stat(2) says of the file that stands for a namespace. */
export interface NamespaceFile {
  readonly inode: number;
  /** Nanoseconds since 1970 at which the kernel made the inode, as digits. */
  readonly born: string;
}

/** What only a process in the host's own namespace sees. */
export interface HostFacts {
  readonly file: NamespaceFile;
  /** Whether the kernel tells of connections and expectations there (`nf_conntrack_events`). */
  readonly conntrackEvents: boolean;
}

/** Opens sockets in namespaces. A socket stays in the namespace that it was opened in, whichever process uses it. */
export interface Opener {
  /** Facts about the host's own namespace. */
  host(): HostFacts;
  /** Inode number of a namespace, or null while its name is absent or not mounted yet. */
  inode(netns: Netns): number | null;
  /** Opens sockets in a namespace, in the order of `kinds`, close-on-exec; the caller closes them. @throws PinholeError `netns-not-found` */
  open(netns: Netns, kinds: readonly SocketKind[]): { readonly fds: readonly number[]; readonly file: NamespaceFile };
  /** Opens a netfilter socket in a new namespace without a name, which lives as long as the socket. */
  openNew(): number;
  /** All rules in a namespace, and its network. @throws PinholeError `netns-not-found`; Error when nft does not list them */
  allRules(netns: Netns): Promise<AllRules>;
  close(): void;
}

/** Goes into namespaces itself. Needs CAP_SYS_ADMIN. The thread is home again before anything else runs. */
export class LocalOpener implements Opener {
  readonly #libc: Libc;
  readonly #home: number;
  readonly #host: number;
  readonly #device: number;

  /** @param hostFile the file of the host's own namespace, where this process is in another one */
  constructor(system: Libc, hostFile = OWN_NETNS) {
    this.#libc = system;
    this.#home = openSync(OWN_NETNS, 'r');
    this.#host = openSync(hostFile, 'r');
    this.#device = namespaceDevice();
  }

  host(): HostFacts {
    return this.within(HOST_NETNS, (file) => ({ file, conntrackEvents: recordsEvents() }));
  }

  inode(netns: Netns): number | null {
    return netns === HOST_NETNS ? Number(fstatSync(this.#host).ino) : namedInode(netns, this.#device);
  }

  open(netns: Netns, kinds: readonly SocketKind[]): { fds: number[]; file: NamespaceFile } {
    return this.within(netns, (file) => ({ fds: this.#sockets(kinds), file }));
  }

  openNew(): number {
    this.#libc.unshareNetns();
    try {
      return this.#socket('netfilter');
    } finally {
      this.#goHome();
    }
  }

  /** Runs `body` inside a namespace. @throws PinholeError `netns-not-found`; what `body` throws */
  within<T>(netns: Netns, body: (file: NamespaceFile) => T): T {
    if (netns === HOST_NETNS) return this.#inside(this.#host, body);
    if (this.inode(netns) === null) throw notFound(netns);
    const fd = openSync(netnsPath(netns), 'r');
    try {
      return this.#inside(fd, body);
    } finally {
      closeSync(fd);
    }
  }

  async allRules(netns: Netns): Promise<AllRules> {
    if (this.inode(netns) === null) throw notFound(netns);
    // The programs that read find the host's own namespace through this process.
    return readAllRules(netns === HOST_NETNS ? `/proc/${process.pid}/fd/${this.#host}` : netnsPath(netns));
  }

  close(): void {
    for (const fd of [this.#home, this.#host]) closeSync(fd);
  }

  #inside<T>(fd: number, body: (file: NamespaceFile) => T): T {
    this.#libc.setns(fd);
    try {
      return body(factsOf(fstatSync(fd, { bigint: true })));
    } finally {
      this.#goHome();
    }
  }

  #sockets(kinds: readonly SocketKind[]): number[] {
    const fds: number[] = [];
    try {
      for (const kind of kinds) fds.push(this.#socket(kind));
      return fds;
    } catch (error) {
      for (const fd of fds) this.#libc.close(fd);
      throw error;
    }
  }

  #socket(kind: SocketKind): number {
    if (kind === 'lock') return this.#libc.socket(libc.AF_UNIX, libc.SOCK_DGRAM | libc.SOCK_CLOEXEC, 0);
    return this.#libc.socket(libc.AF_NETLINK, libc.SOCK_RAW | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK, libc.NETLINK_NETFILTER);
  }

  #goHome(): void {
    try {
      this.#libc.setns(this.#home);
    } catch (error) {
      process.stderr.write(`cannot leave a network namespace again, giving up: ${error}\n`);
      process.abort();
    }
  }
}

/** The device of all namespaces' files: an ordinary file below /run/netns is on another one. */
export function namespaceDevice(): number {
  return statSync(OWN_NETNS).dev;
}

/** Inode number of a namespace with a name, or null while the name is absent or not mounted yet. */
export function namedInode(netns: Netns, device: number): number | null {
  const found = statSync(netnsPath(netns), { throwIfNoEntry: false });
  return found && found.dev === device ? found.ino : null;
}

/** The file that stands for a namespace with a name. */
export function netnsPath(netns: Netns): string {
  return `${NETNS_DIRECTORY}/${netns}`;
}

/** `netns-not-found`, in words for people. */
export function notFound(netns: Netns): PinholeError {
  return new PinholeError('netns-not-found', `network namespace ${netns} is not here`);
}

/**
 * Identity of a namespace on a kernel without SO_NETNS_COOKIE, from its file. The inode number alone is used again once a namespace is
 * gone; the inode's change time is when the kernel made it, and a mounted name keeps it (`fs/nsfs.c`). The host's namespace needs no time:
 * it lasts as long as the host, while its inode is made anew whenever no descriptor holds it.
 */
export function fileCookie(netns: Netns, { inode, born }: NamespaceFile): string {
  return netns === HOST_NETNS ? `${inode}` : `${inode}:${born}`;
}

function factsOf({ ino, ctimeNs }: BigIntStats): NamespaceFile {
  return { inode: Number(ino), born: String(ctimeNs) };
}

function recordsEvents(): boolean {
  try {
    return readFileSync('/proc/sys/net/netfilter/nf_conntrack_events', 'utf8').trim() !== '0';
  } catch {
    return true;
  }
}
