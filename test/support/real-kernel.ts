import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kernel } from '../../src/kernel/interface.ts';
import { LinuxKernel } from '../../src/kernel/linux/linux-kernel.ts';
import { RemoteKernel } from '../../src/kernel/remote.ts';
import { KernelService } from '../../src/kernel/service.ts';
import { ScratchNetwork } from '../../src/lab/scratch-network.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { eventually } from './eventually.ts';
import type { KernelHarness } from './kernel-contract.ts';
import { realPorts } from './ports.ts';

const OTHERS = {
  'flush our rules': 'flush table inet pinhole',
  'delete our table': 'delete table inet pinhole',
  'write into our table': 'add rule inet pinhole assign counter',
  'change a table of theirs': 'add table inet theirs',
} as const;

function harness(kernel: Kernel, network: ScratchNetwork, close: () => Promise<void>): KernelHarness {
  return {
    kernel,
    netns: (name) => network.netns(name),
    addNamespace: async (name) => void (await network.addHost(name)),
    removeNamespace: (name) => network.removeHost(name),
    others: (name, act) => network.nft(name, OTHERS[act]),
    close: async () => {
      await close();
      await network.destroy();
    },
  };
}

/** The real kernel, in this process. */
export async function linuxHarness(prefix: string): Promise<KernelHarness> {
  const network = new ScratchNetwork(prefix);
  const kernel = new LinuxKernel({ allowed: (netns) => netns.startsWith(`${prefix}-`), logger: silentLogger });
  return harness(kernel, network, () => kernel.close());
}

/** The real kernel, behind its socket. */
export async function remoteHarness(prefix: string): Promise<KernelHarness> {
  const network = new ScratchNetwork(prefix);
  const linux = new LinuxKernel({ allowed: (netns) => netns.startsWith(`${prefix}-`), logger: silentLogger });
  const service = new KernelService(linux, silentLogger);
  const directory = mkdtempSync(join(tmpdir(), 'pinhole-kernel-'));
  const path = join(directory, 'kernel.sock');
  await service.listen(path);
  const kernel = new RemoteKernel(path, realPorts);
  await eventually(() => kernel.isUp);
  return harness(kernel, network, async () => {
    await kernel.close();
    await service.close();
    await linux.close();
    rmSync(directory, { recursive: true });
  });
}
