import { execFile } from 'node:child_process';
import { release } from 'node:os';
import { promisify } from 'node:util';
import type { Kernel } from '../kernel/interface.ts';
import { netnsPath } from '../kernel/linux/netns-socket.ts';
import type { Netns } from '../model/netns.ts';
import { liveText } from '../review/ruleset/live.ts';
import type { HostFacts } from '../review/ruleset/view.ts';
import type { Subject } from '../review/subject.ts';

const TIMEOUT_MS = 20_000;
const MAX_OUTPUT = 64 * 1024 * 1024;
const SETTINGS = [
  'net.netfilter.nf_conntrack_helper',
  'net.netfilter.nf_conntrack_expect_max',
  'net.ipv4.conf.all.rp_filter',
  'net.ipv4.conf.default.rp_filter',
];

/** Everybody's rules in a namespace and the settings beside them. Reads only. */
export async function liveRules(kernel: Kernel, netns: Netns, shown: string): Promise<{ subjects: Subject[]; host: HostFacts }> {
  const nft = await kernel.ruleset(netns);
  const hasXt = nft.includes('"xt"');
  const [iptables, ip6tables, settings] = await Promise.all([
    hasXt ? inside(netns, ['iptables-save']) : null,
    hasXt ? inside(netns, ['ip6tables-save']) : null,
    inside(netns, ['sysctl', '-e', ...SETTINGS]),
  ]);
  const text = liveText({ nft, iptables, ip6tables });
  const subject: Subject = { name: `netns ${shown}`, kind: 'live', text, mode: null };
  return { subjects: [subject], host: { kernel: release(), sysctls: settingsOf(settings ?? '') } };
}

/** Output of a command in a namespace; null where there is no such program. */
async function inside(netns: Netns, argv: readonly string[]): Promise<string | null> {
  try {
    const { stdout } = await promisify(execFile)('nsenter', [`--net=${netnsPath(netns)}`, '--', ...argv], {
      timeout: TIMEOUT_MS,
      maxBuffer: MAX_OUTPUT,
    });
    return stdout;
  } catch {
    return null;
  }
}

function settingsOf(text: string): Map<string, string> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const [, key, value] = /^(\S+) = (.*)$/.exec(line) ?? [];
      return key === undefined || value === undefined ? [] : [[key, value] as const];
    }),
  );
}
