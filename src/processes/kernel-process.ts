import { rmSync } from 'node:fs';
import { netnsMatcher } from '../contract/netns.ts';
import { LinuxKernel } from '../kernel/linux/linux-kernel.ts';
import { KernelService } from '../kernel/service.ts';
import { createLogger } from '../telemetry/log.ts';

export interface KernelProcessOptions {
  readonly socket: string;
  readonly namespaces: readonly string[];
  readonly hostNamespace: boolean;
  readonly logLevel: string;
}

/** The only process with capabilities: the kernel behind a unix socket, and nothing else. */
export async function startKernelProcess(options: KernelProcessOptions): Promise<{ close(): Promise<void> }> {
  const logger = createLogger('kernel', options.logLevel);
  const kernel = new LinuxKernel({ allowed: netnsMatcher(options.namespaces, options.hostNamespace), logger });
  const service = new KernelService(kernel, logger);
  rmSync(options.socket, { force: true });
  // The socket is for the group: its folder keeps everybody else out.
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
