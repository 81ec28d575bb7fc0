import type { Clock, Timer } from '../ports/clock.ts';
import { feedWatchdog, type IsWell } from './watchdog.ts';

/** Notifications to systemd, as sd_notify(3) describes them. */
export interface SdNotify {
  /** Reports that the process serves. From then on, feeds the watchdog as often as systemd wants, as long as `isWell` returns true. */
  ready(isWell: IsWell): void;
  /** Reports that the process is about to end. */
  stopping(): void;
  /** Stops feeding the watchdog. */
  close(): void;
}

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
/** Offset of the path in Linux's `sockaddr_un`, behind the family. */
const PATH_OFFSET = 2;
const MAX_PATH = 108;

const NOWHERE: SdNotify = { ready: () => undefined, stopping: () => undefined, close: () => undefined };

/**
 * Connects to systemd if it started this process with `Type=notify`. Otherwise all methods do nothing, and koffi is not loaded. koffi
 * is needed because Node has no unix datagram sockets.
 * @param onFailure called with each notification that could not be sent
 * @throws Error for a `NOTIFY_SOCKET` that is too long
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
      timer = feedWatchdog(clock, microseconds / 1000, isWell, () => tell('WATCHDOG=1'));
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

/** A `sockaddr_un` for a path, or with a leading `@` for a name in Linux's abstract namespace. */
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
