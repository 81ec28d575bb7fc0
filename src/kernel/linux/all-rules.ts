import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { AllRules } from '../interface.ts';

const MAX_OUTPUT = 64 * 1024 * 1024;
const TIMEOUT_MS = 20_000;
const SETTINGS = [
  'net.netfilter.nf_conntrack_helper',
  'net.netfilter.nf_conntrack_expect_max',
  'net.ipv4.conf.all.rp_filter',
  'net.ipv4.conf.default.rp_filter',
];

/**
 * The rules of every program in the namespace that a file stands for, and the settings beside them. Reads only.
 * @throws Error when nft does not list them
 */
export async function readAllRules(netnsFile: string): Promise<AllRules> {
  const nft = await inside(netnsFile, ['nft', '-j', 'list', 'ruleset']);
  // nft prints matches of iptables as `xt` and keeps what they say to itself.
  const hasXt = nft.includes('"xt"');
  const [listing, iptables, ip6tables, settings] = await Promise.all([
    inside(netnsFile, ['nft', '-a', 'list', 'ruleset']),
    hasXt ? whereThereIs(netnsFile, ['iptables-save']) : null,
    hasXt ? whereThereIs(netnsFile, ['ip6tables-save']) : null,
    whereThereIs(netnsFile, ['sysctl', '-e', ...SETTINGS]),
  ]);
  return { nft, listing, iptables, ip6tables, settings: settingsOf(settings ?? '') };
}

async function inside(netnsFile: string, argv: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('nsenter', [`--net=${netnsFile}`, '--', ...argv], {
    timeout: TIMEOUT_MS,
    maxBuffer: MAX_OUTPUT,
  });
  return stdout;
}

/** null: there is no such program, or it may not be run by whom this runs as. */
async function whereThereIs(netnsFile: string, argv: readonly string[]): Promise<string | null> {
  try {
    return await inside(netnsFile, argv);
  } catch {
    return null;
  }
}

function settingsOf(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const [, key, value] = /^(\S+) = (.*)$/.exec(line) ?? [];
      return key === undefined || value === undefined ? [] : [[key, value] as const];
    }),
  );
}
