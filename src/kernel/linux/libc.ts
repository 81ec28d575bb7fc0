import koffi from 'koffi';
import { KernelRefused } from '../../model/errors.ts';

/**
 * The system calls that Node has no API for. All are called synchronously on the main thread, except those that block
 * ({@link Epoll.wait} and the `…Later` ones), which run on libuv's pool. `setns` acts on the calling thread only, so
 * it must never be called asynchronously.
 */
export const AF_UNIX = 1;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const SOCK_RAW = 3;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
export const SOCK_CLOEXEC = 0o2000000;
export const SOCK_NONBLOCK = 0o4000;
export const NETLINK_NETFILTER = 12;
export const SOL_SOCKET = 1;
export const CLONE_NEWNET = 0x40000000;
export const ENOENT = 2;
export const EEXIST = 17;
export const EINTR = 4;
export const EAGAIN = 11;
export const ENOPROTOOPT = 92;
export const ENOBUFS = 105;
export const ERESTART = 85;
export const EADDRINUSE = 98;

/** A process that ends on an error waits for its pool threads: none may be blocked for good. */
const WAIT_MS = 1_000;
const MFD_CLOEXEC = 1;
const EPOLLIN = 1;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CLOEXEC = 0o2000000;
/** `struct epoll_event` is packed on x86-64 only. */
const EPOLL_EVENT_SIZE = process.arch === 'x64' ? 12 : 16;
const EPOLL_DATA_OFFSET = EPOLL_EVENT_SIZE - 8;

type Async = (...args: unknown[]) => void;
/** A call of the C library. `async` runs it on a pool thread. */
export type Call = ((...args: unknown[]) => number) & { async: Async };

export interface Libc {
  /** socket(2). @returns the descriptor. @throws KernelRefused, as every method here that fails */
  socket(domain: number, type: number, protocol: number): number;
  /** bind(2). @param address a `struct sockaddr` of the socket's domain */
  bind(fd: number, address: Buffer): void;
  /** @returns errno, 0 for success */
  tryBind(fd: number, address: Buffer): number;
  /** setsockopt(2). */
  setOption(fd: number, level: number, name: number, value: Buffer): void;
  /** getsockopt(2). @param size bytes of the value. @returns that many bytes, or null where the kernel has no such option */
  findOption(fd: number, level: number, name: number, size: number): Buffer | null;
  /** send(2) of one whole datagram. */
  send(fd: number, message: Buffer): void;
  /** @returns bytes read; -errno when there is nothing (EAGAIN) or the buffer was overrun (ENOBUFS) */
  receive(fd: number, into: Buffer): number;
  /** {@link send} and {@link receive} on a pool thread, for what takes the kernel long. */
  sendLater(fd: number, message: Buffer): Promise<void>;
  /** recv(2) on a pool thread. @returns how many bytes came in */
  receiveLater(fd: number, into: Buffer): Promise<number>;
  /** setns(2) of the calling thread into the network namespace behind a descriptor. No `await` may stand between this and the way back. */
  setns(fd: number): void;
  /** Puts the calling thread into a new network namespace. */
  unshareNetns(): void;
  /** epoll_create1(2), close-on-exec. */
  epoll(): Epoll;
  /** memfd_create(2), close-on-exec: a file without a path. */
  memoryFile(name: string): number;
  /** close(2). */
  close(fd: number): void;
  /** Closes on a pool thread: closing a netlink socket soon after a commit waits up to 15 ms in the kernel. */
  closeLater(fd: number): void;
}

export interface Epoll {
  /** Watches a descriptor for input. */
  add(fd: number): void;
  /** Stops watching it. */
  remove(fd: number): void;
  /** Resolves with the descriptors that are readable; empty once closed. */
  wait(): Promise<number[]>;
  /** Ends a wait that is under way, and frees the descriptor. */
  close(): void;
}

/** Binds the calls of the C library that the kernel process needs. Loaded when it is called, not on import. */
export function loadLibc(): Libc {
  const library = koffi.load('libc.so.6');
  const call = (prototype: string) => library.func(prototype) as unknown as Call;
  const socket = call('int socket(int domain, int type, int protocol)');
  const bind = call('int bind(int fd, const uint8_t *address, uint32_t length)');
  const setsockopt = call('int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t length)');
  const getsockopt = call('int getsockopt(int fd, int level, int name, uint8_t *value, uint8_t *length)');
  const send = call('intptr_t send(int fd, const uint8_t *data, size_t length, int flags)');
  const recv = call('intptr_t recv(int fd, uint8_t *data, size_t length, int flags)');
  const memfd = call('int memfd_create(const char *name, unsigned int flags)');
  const setns = call('int setns(int fd, int nstype)');
  const unshare = call('int unshare(int flags)');
  const close = call('int close(int fd)');
  const checked = (what: string, result: number): number => {
    if (result < 0) throw systemError(what, koffi.errno());
    return result;
  };
  const epollCreate = call('int epoll_create1(int flags)');
  const epollCtl = call('int epoll_ctl(int epfd, int op, int fd, uint8_t *event)');
  const epollWait = call('int epoll_wait(int epfd, uint8_t *events, int max, int timeout)');
  const eventfd = call('int eventfd(unsigned int value, int flags)');
  const write = call('intptr_t write(int fd, const uint8_t *data, size_t length)');

  function makeEpoll(): Epoll {
    const epfd = checked('epoll_create1', epollCreate(EPOLL_CLOEXEC));
    const wake = checked('eventfd', eventfd(0, EPOLL_CLOEXEC));
    const events = Buffer.alloc(EPOLL_EVENT_SIZE * 256);
    let closed = false;
    const control = (operation: number, fd: number) => {
      const event = Buffer.alloc(EPOLL_EVENT_SIZE);
      event.writeUInt32LE(EPOLLIN, 0);
      event.writeInt32LE(fd, EPOLL_DATA_OFFSET);
      checked('epoll_ctl', epollCtl(epfd, operation, fd, event));
    };
    control(EPOLL_CTL_ADD, wake);
    return {
      add: (fd) => control(EPOLL_CTL_ADD, fd),
      remove: (fd) => control(EPOLL_CTL_DEL, fd),
      wait: () =>
        new Promise((resolve, reject) => {
          epollWait.async(epfd, events, 256, WAIT_MS, (error: Error | null, count: number) => {
            if (error) return reject(error);
            if (closed) {
              close(wake);
              close(epfd);
              return resolve([]);
            }
            const ready = Array.from({ length: Math.max(count, 0) }, (_, i) =>
              events.readInt32LE(i * EPOLL_EVENT_SIZE + EPOLL_DATA_OFFSET),
            );
            resolve(ready.filter((fd) => fd !== wake));
          });
        }),
      close: () => {
        closed = true;
        const one = Buffer.alloc(8);
        one.writeUInt8(1, 0);
        write(wake, one, 8);
      },
    };
  }

  return {
    socket: (domain, type, protocol) => checked('socket', socket(domain, type, protocol)),
    bind: (fd, address) => void checked('bind', bind(fd, address, address.length)),
    tryBind: (fd, address) => (bind(fd, address, address.length) < 0 ? koffi.errno() : 0),
    setOption: (fd, level, name, value) => void checked('setsockopt', setsockopt(fd, level, name, value, value.length)),
    findOption: (fd, level, name, size) => {
      const value = Buffer.alloc(size);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(size, 0);
      if (getsockopt(fd, level, name, value, length) >= 0) return value;
      const errno = koffi.errno();
      if (errno === ENOPROTOOPT) return null;
      throw systemError('getsockopt', errno);
    },
    send: (fd, message) => void checked('send', Number(send(fd, message, message.length, 0))),
    receive: (fd, into) => {
      for (;;) {
        const count = Number(recv(fd, into, into.length, 0));
        if (count >= 0) return count;
        const errno = koffi.errno();
        if (errno === EINTR) continue;
        if (errno === EAGAIN || errno === ENOBUFS) return -errno;
        throw systemError('recv', errno);
      }
    },
    sendLater: async (fd, message) => {
      const { result, errno } = await later(send, [fd, message, message.length, 0]);
      if (result < 0) throw systemError('send', errno);
    },
    receiveLater: async (fd, into) => {
      const { result, errno } = await later(recv, [fd, into, into.length, 0]);
      return result < 0 ? -errno : result;
    },
    setns: (fd) => void checked('setns', setns(fd, CLONE_NEWNET)),
    unshareNetns: () => void checked('unshare', unshare(CLONE_NEWNET)),
    epoll: makeEpoll,
    memoryFile: (name) => checked('memfd_create', memfd(name, MFD_CLOEXEC)),
    close: (fd) => void close(fd),
    closeLater: makeCloser(close),
  };
}

/** Runs a call on a pool thread. koffi keeps errno of an asynchronous call for its callback. */
export function later(call: Call, parameters: unknown[]): Promise<{ result: number; errno: number }> {
  return new Promise((resolve, reject) => {
    call.async(...parameters, (error: Error | null, result: number) => {
      if (error) reject(error);
      else resolve({ result: Number(result), errno: koffi.errno() });
    });
  });
}

/** One at a time: each may block its pool thread, and koffi bounds how many calls are under way. */
function makeCloser(close: Call): (fd: number) => void {
  const queue: number[] = [];
  let busy = false;
  const next = () => {
    const fd = queue.shift();
    busy = fd !== undefined;
    if (busy) close.async(fd, next);
  };
  return (fd) => {
    queue.push(fd);
    if (!busy) next();
  };
}

const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(koffi.os.errno).map(([name, value]) => [value, name]));

/** `ENOENT` for 2; the number itself where the system has no name for it. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

/** The typed error of a call that failed with an errno. @param what the call */
export function systemError(what: string, errno: number): KernelRefused {
  return new KernelRefused(errno, `${what}: ${errnoName(errno)}`);
}
