import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kernel } from '../../src/kernel/interface.ts';
import { type Libc, loadLibc } from '../../src/kernel/linux/libc.ts';
import { LinuxKernel } from '../../src/kernel/linux/linux-kernel.ts';
import { RemoteOpener } from '../../src/kernel/linux/remote-opener.ts';
import { RemoteKernel } from '../../src/kernel/remote.ts';
import { KernelService } from '../../src/kernel/service.ts';
import { ScratchNetwork } from '../../src/lab/scratch-network.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { eventually } from './eventually.ts';
import type { KernelHarness } from './kernel-contract.ts';
import { realPorts } from './ports.ts';
import { Started } from './started.ts';

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

/** An opener of its own, as a process, which serves root. @returns the path of its socket */
export async function startOpener(prefix: string, directory: string): Promise<{ readonly socket: string; stop(): Promise<unknown> }> {
  const socket = join(directory, 'opener.sock');
  const options = { socket, users: [0], namespaces: [`${prefix}-*`], hostNamespace: true, hostNetns: null, logLevel: 'error' };
  const opener = new Started(['opener', JSON.stringify(options)]);
  await opener.ready(() => statSync(socket, { throwIfNoEntry: false }) !== undefined);
  return { socket, stop: () => opener.stop() };
}

/** The real kernel, whose sockets another process opens. */
export async function openedHarness(prefix: string): Promise<KernelHarness> {
  const network = new ScratchNetwork(prefix);
  const directory = mkdtempSync(join(tmpdir(), 'pinhole-opener-'));
  const process = await startOpener(prefix, directory);
  const libc = loadLibc();
  const opener = new RemoteOpener(libc, process.socket, realPorts.clock);
  const kernel = new LinuxKernel({ allowed: (netns) => netns.startsWith(`${prefix}-`), logger: silentLogger, libc, opener });
  return harness(kernel, network, async () => {
    await kernel.close();
    await process.stop();
    rmSync(directory, { recursive: true });
  });
}

/** The calls as Linux 5.10 answers them: its sockets do not know their namespace's cookie. */
export function libcWithoutCookies(): Libc {
  return { ...loadLibc(), findOption: () => null };
}

/** The real kernel, behind its socket. @param libc the system calls that it makes */
export async function remoteHarness(prefix: string, libc = loadLibc()): Promise<KernelHarness> {
  const network = new ScratchNetwork(prefix);
  const linux = new LinuxKernel({ allowed: (netns) => netns.startsWith(`${prefix}-`), logger: silentLogger, libc });
  const service = new KernelService(linux, realPorts);
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
