import type { Expectation } from '../../contract/expectation.ts';
import type { Netns } from '../../contract/netns.ts';
import { KernelRefused, PinholeError } from '../../model/errors.ts';
import { TABLE_NAME } from '../../model/table.ts';
import type { KernelEvent, LiveChange, Observation, TableChange, Version } from '../interface.ts';
import { Conntrack, decodeExpectation, EXPECTATION_GROUPS, isGone } from './conntrack.ts';
import type { Libc } from './libc.ts';
import * as libc from './libc.ts';
import { Attributes, type Message, type MessageWriter, NFNL_SUBSYS_NFTABLES } from './netlink.ts';
import { NetlinkSocket, type NetnsOpener } from './netns-socket.ts';
import * as nft from './nft-constants.ts';
import { encodeReplacement } from './nft-encode.ts';
import { TableReader } from './nft-read.ts';

/** NFNLGRP_NFTABLES: every commit in the namespace. */
const GROUP_NFTABLES = 7;
/** Bound inside each namespace that we write to; abstract unix names are a namespace's own. */
const WRITER_LOCK = '\0pinhole-writer';

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
  readonly #reader: TableReader;
  readonly #opener: NetnsOpener;
  #lock: number | null = null;
  #conntrack: Conntrack | null = null;
  #touched = false;

  constructor(netns: Netns, opener: NetnsOpener, scratch: Scratch) {
    this.netns = netns;
    this.#opener = opener;
    this.#libc = opener.libc;
    this.#scratch = scratch;
    [this.#request, this.#watch] = opener.open(netns, () => [
      new NetlinkSocket(opener.libc),
      new NetlinkSocket(opener.libc, { groups: [GROUP_NFTABLES] }),
    ]);
    this.inode = opener.inode(netns) ?? -1;
    this.cookie = this.#request.cookie();
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

  /** @throws KernelRefused (nothing was changed), PinholeError `netns-locked` */
  apply(change: TableChange): Version {
    this.#acquireLock();
    const batch = encodeReplacement(change.table, this.#scratch.writer);
    const failure = this.#request.transact(batch.bytes, this.#scratch.buffer);
    if (failure) {
      const { text, object } = batch.labels.get(failure.sequence) ?? { text: 'transaction' };
      throw new KernelRefused(failure.errno, `${text}: ${libc.errnoName(failure.errno)}`, object);
    }
    const generation = this.#reader.generation();
    return { cookie: this.cookie, generation };
  }

  changeLive(change: LiveChange): Promise<number> {
    return this.#connections().change(change);
  }

  expectations(): Promise<Expectation[]> {
    return this.#connections().expectations();
  }

  watchExpectations(on: boolean): void {
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
    if (this.#lock !== null) this.#libc.close(this.#lock);
  }

  /** On a socket of its own, kept: closing one of netfilter's makes the kernel hold up commits in the namespace. */
  #connections(): Conntrack {
    this.#conntrack ??= new Conntrack(this.#opener.open(this.netns, () => new NetlinkSocket(this.#libc)));
    return this.#conntrack;
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

  #acquireLock(): void {
    if (this.#lock !== null) return;
    const address = Buffer.alloc(2 + WRITER_LOCK.length);
    address.writeUInt16LE(libc.AF_UNIX, 0);
    address.write(WRITER_LOCK, 2, 'latin1');
    const fd = this.#opener.open(this.netns, () => this.#libc.socket(libc.AF_UNIX, libc.SOCK_DGRAM | libc.SOCK_CLOEXEC, 0));
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
