import { rmSync } from 'node:fs';
import { netnsMatcher } from '../contract/netns.ts';
import { LinuxKernel } from '../kernel/linux/linux-kernel.ts';
import { KernelService } from '../kernel/service.ts';
import { createLogger } from '../telemetry/log.ts';

/** What the kernel process needs of the configuration. */
export interface KernelProcessOptions {
  /** Path of the unix socket on which it listens. */
  readonly socket: string;
  /** Patterns of the namespaces that it may change, like `qrouter-*`. */
  readonly namespaces: readonly string[];
  /** Whether it may change the host's own namespace. */
  readonly hostNamespace: boolean;
  readonly logLevel: string;
}

/**
 * Starts the kernel process, the only one with capabilities: it serves the kernel on a unix socket and does nothing else.
 * @returns `close`: closes socket and netlink, and leaves the tables as they are
 */
export async function startKernelProcess(options: KernelProcessOptions): Promise<{ close(): Promise<void> }> {
  const logger = createLogger('kernel', options.logLevel);
  const kernel = new LinuxKernel({ allowed: netnsMatcher(options.namespaces, options.hostNamespace), logger });
  const service = new KernelService(kernel, logger);
  rmSync(options.socket, { force: true });
  // The socket is open to its group. The folder's mode keeps all other users out.
  process.umask(0o117);
  await service.listen(options.socket);
  const { kernelRelease, helpers, missingNat } = await kernel.capabilities();
  logger.info({ kernelRelease, helpers: helpers.length, missingNat }, 'kernel process is ready');
  return {
    close: async () => {
      await service.close();
      await kernel.close();
    },
  };
}
