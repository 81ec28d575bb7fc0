import type { Clock, Timer } from '../ports/clock.ts';

/** Where systemd listens (sd_notify(3)); nothing else is told there. */
export interface SdNotify {
  /** The process serves. From then on it says that it lives, as often as systemd wants, while `isWell` holds. */
  ready(isWell: () => boolean): void;
  stopping(): void;
  close(): void;
}

/** As often in the time that systemd waits, so that one that is late is no death. */
const SHARE = 3;
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
/** sockaddr_un of Linux: family, path. */
const PATH_OFFSET = 2;
const MAX_PATH = 108;

const NOWHERE: SdNotify = { ready: () => undefined, stopping: () => undefined, close: () => undefined };

/**
 * Speaks to systemd where it started this process with `Type=notify`; otherwise nothing happens, and nothing is loaded. Node has no
 * datagram sockets of the unix kind.
 */
export async function sdNotify(env: NodeJS.ProcessEnv, onFailure: (reason: string) => void, clock: Clock): Promise<SdNotify> {
  const path = env['NOTIFY_SOCKET'];
  if (path === undefined) return NOWHERE;
  const send = await sender(path);
  const tell = (state: string) => {
    if (!send(state)) onFailure(state);
  };
  const microseconds = Number(env['WATCHDOG_USEC'] ?? 0);
  let timer: Timer | null = null;
  return {
    ready: (isWell) => {
      tell('READY=1');
      if (!(microseconds > 0) || timer) return;
      timer = clock.every(microseconds / 1000 / SHARE, () => {
        if (isWell()) tell('WATCHDOG=1');
      });
    },
    stopping: () => tell('STOPPING=1'),
    close: () => timer?.cancel(),
  };
}

async function sender(path: string): Promise<(state: string) => boolean> {
  const { default: koffi } = await import('koffi');
  const libc = koffi.load('libc.so.6');
  const socket = libc.func('int socket(int domain, int type, int protocol)');
  const sendto = libc.func('intptr_t sendto(int fd, const void *data, size_t size, int flags, const void *address, uint32_t length)');
  const close = libc.func('int close(int fd)');
  const address = socketAddress(path);
  return (state) => {
    const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) as number;
    if (fd < 0) return false;
    const data = Buffer.from(state);
    const sent = Number(sendto(fd, data, data.length, 0, address, address.length));
    close(fd);
    return sent === data.length;
  };
}

/** A path, or with `@` a name of Linux's abstract namespace. */
function socketAddress(path: string): Buffer {
  const name = Buffer.from(path);
  if (name.length > MAX_PATH - 1) throw new Error(`NOTIFY_SOCKET is longer than ${MAX_PATH - 1} bytes`);
  const isAbstract = path.startsWith('@');
  const address = Buffer.alloc(PATH_OFFSET + name.length + (isAbstract ? 0 : 1));
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, PATH_OFFSET);
  if (isAbstract) address[PATH_OFFSET] = 0;
  return address;
}
