import type { Expectation } from '../../contract/expectation.ts';
import { type Netns, showNetns } from '../../contract/netns.ts';
import { KernelRefused, PinholeError } from '../../model/errors.ts';
import { TABLE_NAME } from '../../model/table.ts';
import type { KernelEvent, LiveChange, Observation, TableChange, Version } from '../interface.ts';
import { Conntrack, decodeExpectation, EXPECTATION_GROUPS, isGone } from './conntrack.ts';
import type { Libc } from './libc.ts';
import * as libc from './libc.ts';
import { Attributes, type Message, type MessageWriter, NFNL_SUBSYS_NFTABLES } from './netlink.ts';
import { NetlinkSocket } from './netlink-socket.ts';
import * as nft from './nft-constants.ts';
import { encodeReplacement } from './nft-encode.ts';
import { TableReader } from './nft-read.ts';
import { fileCookie, notFound, type Opener, type SocketKind } from './opener.ts';

/** NFNLGRP_NFTABLES: every commit in the namespace. */
const GROUP_NFTABLES = 7;
/** Bound inside each namespace that we write to; abstract unix names are a namespace's own. */
const WRITER_LOCK = '\0pinhole-writer';
/** Other programs may commit between the look at a table and its replacement; then both are done again. */
const MAX_TRIES = 20;

/** Scratch space that all namespaces of a process share: one thread, one call at a time. */
export interface Scratch {
  readonly buffer: Buffer;
  readonly writer: MessageWriter;
}

/**
 * One namespace that we serve: a socket to ask with, one that hears of changes, and the lock that makes us its one writer.
 * They pin the namespace; {@link close} lets go of it.
 */
export class ServedNamespace {
  readonly netns: Netns;
  readonly inode: number;
  readonly cookie: string;
  readonly watchFd: number;
  readonly #libc: Libc;
  readonly #scratch: Scratch;
  readonly #request: NetlinkSocket;
  readonly #watch: NetlinkSocket;
  #watchesExpectations = false;
  readonly #reader: TableReader;
  readonly #opener: Opener;
  #lock: number | null = null;
  #conntrack: Conntrack | null = null;
  #touched = false;

  constructor(netns: Netns, { opener, libc: system, scratch }: { opener: Opener; libc: Libc; scratch: Scratch }) {
    this.netns = netns;
    this.#opener = opener;
    this.#libc = system;
    this.#scratch = scratch;
    const { fds, file } = opener.open(netns, ['netfilter', 'netfilter']);
    const [request, watch] = fds as [number, number];
    this.#request = new NetlinkSocket(system, request);
    this.#watch = new NetlinkSocket(system, watch, { groups: [GROUP_NFTABLES] });
    this.inode = file.inode;
    this.cookie = this.#request.cookie() ?? fileCookie(netns, file);
    this.watchFd = this.#watch.fd;
    this.#reader = new TableReader(this.#request, scratch.buffer);
  }

  comment(): string | null {
    return this.#reader.comment();
  }

  observe(known: Version | null): Observation {
    if (known && known.cookie === this.cookie && known.generation === this.#reader.generation()) return { unchanged: true };
    return { unchanged: false, cookie: this.cookie, ...this.#reader.read() };
  }

  /** @throws KernelRefused (nothing was changed), PinholeError `netns-locked`, `table-changed` */
  apply(change: TableChange): Version {
    const hadLock = this.#lock !== null;
    this.#acquireLock();
    let holdsTable = hadLock;
    try {
      for (let attempt = 1; !this.#replace(change); attempt++)
        if (attempt === MAX_TRIES) throw new PinholeError('table-changed', `the ruleset of ${showNetns(this.netns)} changes too fast`);
      holdsTable = change.table !== null;
      return { cookie: this.cookie, generation: this.#reader.generation() };
    } finally {
      if (!holdsTable) this.#releaseLock();
    }
  }

  changeLive(change: LiveChange): Promise<number> {
    return this.#connections().change(change);
  }

  expectations(): Promise<Expectation[]> {
    return this.#connections().expectations();
  }

  watchExpectations(on: boolean): void {
    if (on === this.#watchesExpectations) return;
    this.#watchesExpectations = on;
    for (const group of EXPECTATION_GROUPS) on ? this.#watch.join(group) : this.#watch.leave(group);
  }

  /** Reads what the watching socket has. A commit of our own is no event; one of others only when it names our table. */
  drainEvents(emit: (event: KernelEvent) => void): void {
    const complete = this.#watch.drain(this.#scratch.buffer, (message) => this.#onMessage(message, emit));
    if (!complete) {
      this.#touched = false;
      emit({ event: 'lost', netns: this.netns });
    }
  }

  close(): void {
    for (const fd of [this.#request.fd, this.#watch.fd]) this.#libc.closeLater(fd);
    void this.#conntrack?.close((fd) => this.#libc.closeLater(fd));
    this.#releaseLock();
  }

  /**
   * Looks at whose table stands there and replaces it, in a transaction that the kernel refuses once anything has changed since the look.
   * @returns false if it did, and nothing was changed
   */
  #replace({ table, replaces }: TableChange): boolean {
    const generation = this.#reader.generation();
    if (this.#reader.comment() !== replaces)
      throw new PinholeError('table-changed', `table inet pinhole in ${showNetns(this.netns)} is not the one that was to be replaced`);
    const batch = encodeReplacement(table, this.#scratch.writer, generation);
    const failure = this.#request.transact(batch.bytes, this.#scratch.buffer);
    if (!failure) return true;
    if (failure.errno === libc.ERESTART) return false;
    const { text, object } = batch.labels.get(failure.sequence) ?? { text: 'transaction' };
    throw new KernelRefused(failure.errno, `${text}: ${libc.errnoName(failure.errno)}`, object);
  }

  /** On a socket of its own, kept: closing one of netfilter's makes the kernel hold up commits in the namespace. */
  #connections(): Conntrack {
    this.#conntrack ??= new Conntrack(new NetlinkSocket(this.#libc, this.#open('netfilter')));
    return this.#conntrack;
  }

  /** @throws PinholeError `netns-not-found` also where another namespace has the name by now */
  #open(kind: SocketKind): number {
    const { fds, file } = this.#opener.open(this.netns, [kind]);
    const [fd] = fds as [number];
    if (file.inode === this.inode) return fd;
    this.#libc.close(fd);
    throw notFound(this.netns);
  }

  #onMessage(message: Message, emit: (event: KernelEvent) => void): void {
    if (message.type >> 8 !== NFNL_SUBSYS_NFTABLES) {
      const expectation = decodeExpectation(message);
      if (expectation) emit({ event: 'expectation', netns: this.netns, change: isGone(message) ? 'gone' : 'new', expectation });
      return;
    }
    const attributes = Attributes.ofMessage(message);
    if ((message.type & 0xff) !== nft.MSG.NEWGEN) {
      if (message.family === nft.NFPROTO_INET && attributes.string(nft.TABLE.NAME) === TABLE_NAME) this.#touched = true;
      return;
    }
    const ours = attributes.u32(nft.GEN.PROC_PID) === process.pid;
    if (this.#touched && !ours) emit({ event: 'touched', netns: this.netns, by: attributes.string(nft.GEN.PROC_NAME) });
    this.#touched = false;
  }

  /** Without a table of ours, the namespace is free for another writer. */
  #releaseLock(): void {
    if (this.#lock !== null) this.#libc.close(this.#lock);
    this.#lock = null;
  }

  #acquireLock(): void {
    if (this.#lock !== null) return;
    const address = Buffer.alloc(2 + WRITER_LOCK.length);
    address.writeUInt16LE(libc.AF_UNIX, 0);
    address.write(WRITER_LOCK, 2, 'latin1');
    const fd = this.#open('lock');
    const errno = this.#libc.tryBind(fd, address);
    if (errno === 0) {
      this.#lock = fd;
      return;
    }
    this.#libc.close(fd);
    if (errno !== libc.EADDRINUSE) throw libc.systemError('bind', errno);
    throw new PinholeError('netns-locked', `another Pinhole writes to network namespace ${this.netns}; one writer a namespace`);
  }
}
