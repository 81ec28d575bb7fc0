import type { Socket } from 'node:net';
import { netnsMatcher } from '../contract/netns.ts';
import { type Libc, loadLibc } from '../kernel/linux/libc.ts';
import { LinuxKernel } from '../kernel/linux/linux-kernel.ts';
import { RemoteOpener } from '../kernel/linux/remote-opener.ts';
import { peerUser } from '../kernel/linux/unix-messages.ts';
import { answers } from '../kernel/ping.ts';
import { KernelService } from '../kernel/service.ts';
import { attempt, unwrap } from '../model/errors.ts';
import type { Clock } from '../ports/clock.ts';
import { systemPorts } from '../ports/ports.ts';
import { claimSocket } from '../sockets/claim.ts';
import { createLogger } from '../telemetry/log.ts';

/** An opener that starts on a slow machine needs as long as systemd waits by default. */
const OPENER_START_MS = 90_000;
const RETRY_MS = 50;
/** Stands for a user that is not known: no process runs as it. */
const UNKNOWN_USER = -1;

/** What the kernel process needs of the configuration. */
export interface KernelProcessOptions {
  /** Path of the unix socket on which it listens. */
  readonly socket: string;
  /** Path of the opener's unix socket. */
  readonly openerSocket: string;
  /** Numeric ids of the users that it serves, besides its own. */
  readonly users: readonly number[];
  /** Patterns of the namespaces that it may change, like `qrouter-*`. */
  readonly namespaces: readonly string[];
  /** Whether it may change the host's own namespace. */
  readonly hostNamespace: boolean;
  /** Seconds after which it counts as dead if it does not answer. */
  readonly deadlineSeconds: number;
  readonly logLevel: string;
}

/**
 * Starts the kernel process, the only one that changes rules: it serves the kernel on a unix socket and does nothing else.
 * @returns `isWell`: whether it serves, as a client of its own socket sees it; `close`: closes socket and netlink, and leaves the
 * tables as they are
 * @throws InvalidInput if another process listens on the socket
 */
export async function startKernelProcess(
  options: KernelProcessOptions,
): Promise<{ isWell: () => Promise<boolean>; close(): Promise<void> }> {
  const ports = systemPorts(createLogger('kernel', options.logLevel));
  const { logger } = ports;
  const deadlineMs = options.deadlineSeconds * 1_000;
  const libc = loadLibc();
  const opener = await reachable(new RemoteOpener(libc, options.openerSocket, ports.clock), ports.clock);
  const kernel = new LinuxKernel({ allowed: netnsMatcher(options.namespaces, options.hostNamespace), logger, libc, opener });
  const users = [...options.users, process.getuid?.()];
  const service = new KernelService(kernel, ports, { mayConnect: (socket) => users.includes(userOf(libc, socket)) });
  await claimSocket(options.socket, 'run_dir');
  // The socket belongs to the agent's group, as its folder does. The folder's mode keeps all other users out.
  process.umask(0o117);
  await service.listen(options.socket);
  const { kernelRelease, helpers, missingNat } = await kernel.capabilities();
  logger.info({ kernelRelease, helpers: helpers.length, missingNat }, 'kernel process is ready');
  return {
    isWell: async () => service.waitingMs < deadlineMs && (await answers(options.socket, deadlineMs, ports)),
    close: async () => {
      await service.close();
      await kernel.close();
    },
  };
}

/** Waits for the opener, which starts at the same time. @throws PinholeError `unreachable` */
async function reachable(opener: RemoteOpener, clock: Clock): Promise<RemoteOpener> {
  for (const until = clock.monotonic() + OPENER_START_MS; ; ) {
    const host = attempt(() => opener.host());
    if (host.ok) return opener;
    if (clock.monotonic() > until) return unwrap(host);
    await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve));
  }
}

/** The user at the other end of a connection. Node has no API for it, and keeps the descriptor to itself. */
function userOf(libc: Libc, socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } | null };
  return handle?.fd === undefined ? UNKNOWN_USER : peerUser(libc, handle.fd);
}
