import koffi from 'koffi';
import type { Call, Libc } from './libc.ts';
import * as libc from './libc.ts';

const SO_PEERCRED = 17;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000000;
const MSG_NOSIGNAL = 0x4000;
const MSG_TRUNCATION = 0x20 | 0x08;

/** Bytes of one message, and descriptors beside it. */
const MAX_MESSAGE = 16 * 1024;
const MAX_FDS = 8;
/** `struct msghdr`, `struct iovec` and `struct cmsghdr` on 64-bit systems, in one block of memory. */
const AT = { iovec: 56, control: 80, data: 160 } as const;
const CMSG_HEADER = 16;

/** A message that came in, with the descriptors beside it, which are the receiver's to close. */
export interface UnixMessage {
  readonly data: Buffer;
  readonly fds: readonly number[];
}

/** Sends and receives messages with descriptors (SCM_RIGHTS, unix(7)) on libc.SOCK_SEQPACKET sockets. Node has no API for these. */
export class UnixMessages {
  readonly #libc: Libc;
  readonly #calls = bindCalls();
  readonly #block = koffi.alloc('uint8_t', AT.data + MAX_MESSAGE);
  readonly #memory: Buffer;

  constructor(system: Libc) {
    this.#libc = system;
    this.#memory = Buffer.from(koffi.view(this.#block, AT.data + MAX_MESSAGE));
  }

  /** Listens on a path. @returns the descriptor, which does not block @throws KernelRefused */
  listen(path: string): number {
    const fd = this.#libc.socket(libc.AF_UNIX, libc.SOCK_SEQPACKET | libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK, 0);
    this.#libc.bind(fd, addressOf(path));
    if (this.#calls.listen(fd, 16) < 0) throw libc.systemError('listen', koffi.errno());
    return fd;
  }

  /** @returns the descriptor of a client, which does not block; null if none waits */
  accept(listener: number): number | null {
    const fd = this.#calls.accept4(listener, null, null, libc.SOCK_CLOEXEC | libc.SOCK_NONBLOCK);
    return fd < 0 ? null : fd;
  }

  /** Connects to a path. Calls on the descriptor wait for at most that long. @throws KernelRefused */
  connect(path: string, timeoutMs: number): number {
    const fd = this.#libc.socket(libc.AF_UNIX, libc.SOCK_SEQPACKET | libc.SOCK_CLOEXEC, 0);
    const time = Buffer.alloc(16);
    time.writeBigInt64LE(BigInt(Math.floor(timeoutMs / 1000)), 0);
    time.writeBigInt64LE(BigInt((timeoutMs % 1000) * 1000), 8);
    for (const option of [SO_RCVTIMEO, SO_SNDTIMEO]) this.#libc.setOption(fd, libc.SOL_SOCKET, option, time);
    const address = addressOf(path);
    if (this.#calls.connect(fd, address, address.length) === 0) return fd;
    const errno = koffi.errno();
    this.#libc.close(fd);
    throw libc.systemError('connect', errno);
  }

  /** Sends one message. @throws KernelRefused; RangeError for one that is too large */
  send(fd: number, data: Buffer, fds: readonly number[] = []): void {
    if (data.length > MAX_MESSAGE || fds.length > MAX_FDS)
      throw new RangeError(`a message of ${data.length} bytes, ${fds.length} descriptors`);
    const memory = this.#prepare(data.length, fds.length);
    data.copy(memory, AT.data);
    if (fds.length > 0) {
      memory.writeBigUInt64LE(BigInt(CMSG_HEADER + 4 * fds.length), AT.control);
      memory.writeInt32LE(libc.SOL_SOCKET, AT.control + 8);
      memory.writeInt32LE(SCM_RIGHTS, AT.control + 12);
      for (const [index, one] of fds.entries()) memory.writeInt32LE(one, AT.control + CMSG_HEADER + 4 * index);
    }
    while (this.#calls.sendmsg(fd, this.#block, MSG_NOSIGNAL) < 0) {
      const errno = koffi.errno();
      if (errno !== libc.EINTR) throw libc.systemError('sendmsg', errno);
    }
  }

  /**
   * Receives one message, at once or within the time that the socket waits.
   * @returns null when none came in that time; a message without bytes when the peer is gone
   * @throws KernelRefused; RangeError for a message that was cut off, whose descriptors are closed
   */
  receive(fd: number): UnixMessage | null {
    for (;;) {
      const memory = this.#prepare(MAX_MESSAGE, MAX_FDS);
      const count = Number(this.#calls.recvmsg(fd, this.#block, MSG_CMSG_CLOEXEC));
      if (count >= 0) return this.#received(memory, count);
      const errno = koffi.errno();
      if (errno === libc.EAGAIN) return null;
      if (errno !== libc.EINTR) throw libc.systemError('recvmsg', errno);
    }
  }

  /** The same on a pool thread; nothing else may use this object meanwhile. */
  async receiveLater(fd: number): Promise<UnixMessage | null> {
    const memory = this.#prepare(MAX_MESSAGE, MAX_FDS);
    const { result, errno } = await libc.later(this.#calls.recvmsg, [fd, this.#block, MSG_CMSG_CLOEXEC]);
    if (result >= 0) return this.#received(memory, result);
    if (errno === libc.EAGAIN || errno === libc.EINTR) return null;
    throw libc.systemError('recvmsg', errno);
  }

  #received(memory: Buffer, count: number): UnixMessage {
    const length = Number(memory.readBigUInt64LE(40));
    const fds: number[] = [];
    if (length >= CMSG_HEADER && memory.readInt32LE(AT.control + 12) === SCM_RIGHTS) {
      const end = Number(memory.readBigUInt64LE(AT.control));
      for (let at = CMSG_HEADER; at + 4 <= end; at += 4) fds.push(memory.readInt32LE(AT.control + at));
    }
    if ((memory.readInt32LE(48) & MSG_TRUNCATION) !== 0) {
      for (const one of fds) this.#libc.close(one);
      throw new RangeError('a message was cut off');
    }
    return { data: Buffer.from(memory.subarray(AT.data, AT.data + count)), fds };
  }

  /** Fills in the headers for so many bytes and descriptors. */
  #prepare(bytes: number, fds: number): Buffer {
    const memory = this.#memory;
    const start = koffi.address(this.#block);
    memory.fill(0, 0, AT.data);
    memory.writeBigUInt64LE(start + BigInt(AT.iovec), 16);
    memory.writeBigUInt64LE(1n, 24);
    if (fds > 0) {
      memory.writeBigUInt64LE(start + BigInt(AT.control), 32);
      memory.writeBigUInt64LE(BigInt(CMSG_HEADER + 8 * Math.ceil(fds / 2)), 40);
    }
    memory.writeBigUInt64LE(start + BigInt(AT.data), AT.iovec);
    memory.writeBigUInt64LE(BigInt(bytes), AT.iovec + 8);
    return memory;
  }
}

/** The user that the peer of a connected unix socket had when it connected (SO_PEERCRED, unix(7)). @throws KernelRefused */
export function peerUser(system: Libc, fd: number): number {
  const credentials = system.findOption(fd, libc.SOL_SOCKET, SO_PEERCRED, 12);
  if (credentials === null) throw libc.systemError('SO_PEERCRED', libc.EAGAIN);
  return credentials.readUInt32LE(4);
}

/** A `struct sockaddr_un`. */
function addressOf(path: string): Buffer {
  const name = Buffer.from(path);
  const address = Buffer.alloc(2 + name.length + 1);
  address.writeUInt16LE(libc.AF_UNIX, 0);
  name.copy(address, 2);
  return address;
}

function bindCalls() {
  const library = koffi.load('libc.so.6');
  const call = (prototype: string) => library.func(prototype) as unknown as Call;
  return {
    listen: call('int listen(int fd, int backlog)'),
    accept4: call('int accept4(int fd, void *address, void *length, int flags)'),
    connect: call('int connect(int fd, const uint8_t *address, uint32_t length)'),
    sendmsg: call('intptr_t sendmsg(int fd, void *message, int flags)'),
    recvmsg: call('intptr_t recvmsg(int fd, void *message, int flags)'),
  };
}
