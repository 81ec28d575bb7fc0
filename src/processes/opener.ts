import { netnsMatcher } from '../contract/netns.ts';
import { loadLibc } from '../kernel/linux/libc.ts';
import { LocalOpener } from '../kernel/linux/opener.ts';
import { OpenerService } from '../kernel/linux/opener-service.ts';
import { claimSocket } from '../sockets/claim.ts';
import { createLogger } from '../telemetry/log.ts';

/** What the opener needs to know: it gets these as an argument, or from the configuration. */
export interface OpenerProcessOptions {
  /** Path of the unix socket on which it listens. */
  readonly socket: string;
  /** Numeric ids of the users that it serves. */
  readonly users: readonly number[];
  /** Patterns of the namespaces in which it opens sockets, like `qrouter-*`. */
  readonly namespaces: readonly string[];
  /** Whether it opens sockets in the host's own namespace. */
  readonly hostNamespace: boolean;
  /** Path of the host's own network namespace, if this process is in another one. */
  readonly hostNetns: string | null;
  readonly logLevel: string;
}

/**
 * Starts the opener, the only process that may enter network namespaces: it opens sockets there for the kernel process, and does nothing
 * else.
 * @throws InvalidInput if another process listens on the socket
 */
export async function startOpener(options: OpenerProcessOptions): Promise<{ close(): Promise<void> }> {
  const logger = createLogger('opener', options.logLevel);
  const libc = loadLibc();
  const opener = new LocalOpener(libc, options.hostNetns ?? undefined);
  const allowed = netnsMatcher(options.namespaces, options.hostNamespace);
  const service = new OpenerService(opener, libc, { allowed, users: options.users, logger });
  await claimSocket(options.socket, 'run_dir');
  process.umask(0o117);
  service.listen(options.socket);
  logger.info({}, 'opener is ready');
  return {
    close: async () => {
      await service.close();
      opener.close();
    },
  };
}
