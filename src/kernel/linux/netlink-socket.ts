import type { Libc } from './libc.ts';
import * as libc from './libc.ts';
import { errorOf, type Message, messages, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR } from './netlink.ts';

/** Since Linux 5.14. */
const SO_NETNS_COOKIE = 71;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_DROP_MEMBERSHIP = 2;
const SEND_BUFFER = 4 * 1024 * 1024;
const RECEIVE_BUFFER = 1024 * 1024;

/** A netlink socket that asks and waits for the answer; the kernel answers within the call. */
export class NetlinkSocket {
  readonly fd: number;
  readonly #libc: Libc;
  #sequence = 1;

  /** @param fd a netlink socket that does not block; it is not bound yet */
  constructor(system: Libc, fd: number, options: { groups?: readonly number[] } = {}) {
    this.#libc = system;
    this.fd = fd;
    const address = Buffer.alloc(12);
    address.writeUInt16LE(libc.AF_NETLINK, 0);
    system.bind(this.fd, address);
    if (options.groups) system.setOption(this.fd, libc.SOL_SOCKET, SO_RCVBUFFORCE, int32(RECEIVE_BUFFER));
    else system.setOption(this.fd, libc.SOL_SOCKET, SO_SNDBUFFORCE, int32(SEND_BUFFER));
    for (const group of options.groups ?? []) this.join(group);
  }

  join(group: number): void {
    this.#libc.setOption(this.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, int32(group));
  }

  leave(group: number): void {
    this.#libc.setOption(this.fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, int32(group));
  }

  /** SO_NETNS_COOKIE of the namespace; null where the kernel has no such option. */
  cookie(): string | null {
    return this.#libc.findOption(this.fd, libc.SOL_SOCKET, SO_NETNS_COOKIE, 8)?.readBigUInt64LE(0).toString() ?? null;
  }

  nextSequence(): number {
    this.#sequence = (this.#sequence + 1) & 0x7fffffff;
    return this.#sequence;
  }

  /** Whatever is queued now. Views into `into`, valid until its next use. @returns false when messages were lost */
  drain(into: Buffer, each: (message: Message) => void): boolean {
    for (let lost = false; ; ) {
      const count = this.#libc.receive(this.fd, into);
      if (count === -libc.ENOBUFS) lost = true;
      else if (count < 0) return !lost;
      else for (const message of messages(into.subarray(0, count))) each(message);
    }
  }

  /** Sends a transaction. @returns errno and sequence number of the first message that failed, or null */
  transact(batch: Buffer, into: Buffer): { errno: number; sequence: number } | null {
    this.#libc.send(this.fd, batch);
    let failure: { errno: number; sequence: number } | null = null;
    let acknowledged = false;
    this.drain(into, (message) => {
      if (message.type !== NLMSG_ERROR) return;
      acknowledged = true;
      const errno = errorOf(message);
      if (errno !== 0 && !failure) failure = { errno, sequence: message.sequence };
    });
    if (!acknowledged) return { errno: libc.ENOBUFS, sequence: -1 };
    return failure;
  }

  /** Sends messages that each stand alone. @returns errno of each, by its sequence number; 0 for success */
  errors(requests: Buffer, into: Buffer): Map<number, number> {
    this.#libc.send(this.fd, requests);
    const found = new Map<number, number>();
    this.drain(into, (message) => {
      if (message.type === NLMSG_ERROR) found.set(message.sequence, errorOf(message));
    });
    return found;
  }

  /** One request that is no dump. @returns null for ENOENT */
  get(request: Buffer, into: Buffer): Message | null {
    this.#libc.send(this.fd, request);
    const sequence = request.readUInt32LE(8);
    let reply: Message | null = null;
    this.drain(into, (message) => {
      if (message.sequence !== sequence) return;
      if (message.type !== NLMSG_ERROR) reply = { ...message, payload: Buffer.from(message.payload) };
      else if (errorOf(message) !== 0 && errorOf(message) !== libc.ENOENT) throw libc.systemError('netlink', errorOf(message));
    });
    return reply;
  }

  /**
   * A dump. The callback's message is valid during the call only. A dump of something that is absent is empty.
   * @returns false when the kernel says that the dump saw a change half-way
   */
  dump(request: Buffer, into: Buffer, each: (message: Message) => void): boolean {
    this.#libc.send(this.fd, request);
    const part = new DumpPart(request, each);
    while (!part.isDone) part.take(into, this.#libc.receive(this.fd, into));
    return part.isConsistent;
  }

  /** The same on a pool thread, for dumps that take long. `request` and `into` must not be used meanwhile. */
  async dumpLater(request: Buffer, into: Buffer, each: (message: Message) => void): Promise<boolean> {
    await this.#libc.sendLater(this.fd, request);
    const part = new DumpPart(request, each);
    while (!part.isDone) part.take(into, await this.#libc.receiveLater(this.fd, into));
    return part.isConsistent;
  }
}

/** Takes a dump apart, one recv after the other. */
class DumpPart {
  isDone = false;
  isConsistent = true;
  readonly #sequence: number;
  readonly #each: (message: Message) => void;

  constructor(request: Buffer, each: (message: Message) => void) {
    this.#sequence = request.readUInt32LE(8);
    this.#each = each;
  }

  take(into: Buffer, count: number): void {
    if (count < 0) throw libc.systemError('netlink dump', -count);
    for (const message of messages(into.subarray(0, count))) {
      if (message.sequence !== this.#sequence) continue;
      if (message.flags & NLM_F_DUMP_INTR) this.isConsistent = false;
      if (message.type === NLMSG_DONE) this.isDone = true;
      else if (message.type === NLMSG_ERROR) {
        const errno = errorOf(message);
        if (errno !== 0 && errno !== libc.ENOENT) throw libc.systemError('netlink dump', errno);
        this.isDone = true;
      } else this.#each(message);
    }
  }
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32LE(value, 0);
  return buffer;
}
