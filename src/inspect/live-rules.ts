import { accessSync, constants } from 'node:fs';
import { release } from 'node:os';
import { loadConfig, paths } from '../config/config.ts';
import { type Netns, showNetns } from '../contract/netns.ts';
import type { Kernel } from '../kernel/interface.ts';
import { LinuxKernel } from '../kernel/linux/linux-kernel.ts';
import { RemoteKernel } from '../kernel/remote.ts';
import { Denied, PinholeError } from '../model/errors.ts';
import type { Clock } from '../ports/clock.ts';
import { silentLogger } from '../ports/logger.ts';
import type { Ports } from '../ports/ports.ts';
import { liveText } from '../review/ruleset/live.ts';
import type { HostFacts } from '../review/ruleset/view.ts';
import type { Subject } from '../review/subject.ts';

const CONNECT_MS = 2000;

/** The rules of a running namespace as a subject, with facts about the host. */
export interface LiveRules {
  readonly subject: Subject;
  readonly host: HostFacts;
}

/**
 * Reads all rules in a namespace, whichever program loaded them. Root reads any namespace. Other users ask the kernel process,
 * which answers members of its group about the namespaces that it serves.
 * @param configFile path of the configuration, which names the socket of the kernel process; undefined: the default
 * @throws Denied without the right to ask; PinholeError `unreachable` if the kernel process does not answer within two seconds
 */
export async function liveRules(netns: Netns, configFile: string | undefined, ports: Ports): Promise<LiveRules> {
  const kernel: Kernel =
    process.getuid?.() === 0
      ? new LinuxKernel({ allowed: (one) => one === netns, logger: silentLogger })
      : await kernelProcess(paths(loadConfig({ config: configFile }, process.env)).kernelSocket, ports);
  try {
    const { settings, ...rules } = await kernel.allRules(netns);
    return {
      subject: { name: `netns ${showNetns(netns)}`, kind: 'live', text: liveText(rules), mode: null },
      host: { kernel: release(), sysctls: new Map(Object.entries(settings)) },
    };
  } finally {
    await kernel.close();
  }
}

/** A connection to the kernel process. */
async function kernelProcess(path: string, ports: Ports): Promise<RemoteKernel> {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? `no kernel process is at ${path}` : `you are not in the group of ${path}`;
    throw new Denied(`This asks the kernel: it needs root, or Pinhole's kernel process, and ${why}.`);
  }
  const kernel = new RemoteKernel(path, ports);
  try {
    await isUp(kernel, path, ports.clock);
    return kernel;
  } catch (error) {
    await kernel.close();
    throw error;
  }
}

/** Waits until the connection is up. */
async function isUp(kernel: RemoteKernel, path: string, clock: Clock): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const late = () => reject(new PinholeError('unreachable', `The kernel process at ${path} does not answer.`));
    const timer = clock.after(CONNECT_MS, late);
    kernel.onEvent((event) => {
      if (event.event !== 'link' || !event.up) return;
      timer.cancel();
      resolve();
    });
  });
}
