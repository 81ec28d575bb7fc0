import { release } from 'node:os';
import { type Netns, showNetns } from '../contract/netns.ts';
import { LinuxKernel } from '../kernel/linux/linux-kernel.ts';
import { Denied } from '../model/errors.ts';
import { silentLogger } from '../ports/logger.ts';
import { liveText } from '../review/ruleset/live.ts';
import type { HostFacts } from '../review/ruleset/view.ts';
import type { Subject } from '../review/subject.ts';

/** The rules of a running namespace as a subject, with facts about the host. */
export interface LiveRules {
  readonly subject: Subject;
  readonly host: HostFacts;
}

/**
 * Reads all rules in a namespace, whichever program loaded them.
 * @throws Denied unless root: the kernel process answers its agent only
 */
export async function liveRules(netns: Netns): Promise<LiveRules> {
  if (process.getuid?.() !== 0) throw new Denied('This reads nftables in a network namespace: it needs root. Try again with sudo.');
  const kernel = new LinuxKernel({ allowed: (one) => one === netns, logger: silentLogger });
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
