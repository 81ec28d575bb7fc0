import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { AllRules, NetworkTexts } from '../interface.ts';

const MAX_OUTPUT = 64 * 1024 * 1024;
const TIMEOUT_MS = 20_000;
/** Settings that decide how packets are forwarded, checked and tracked. */
const SETTINGS = String.raw`^net\.(ipv4\.(ip_forward$|conf\..*\.(forwarding|rp_filter|src_valid_mark)$)|ipv6\.conf\..*\.(force_)?forwarding$|netfilter\.nf_conntrack_(helper|expect_max|max|count)$)`;

/** Parts of {@link NetworkTexts}, and the command that prints each. */
const NETWORK = {
  addresses: 'ip -j -d address show',
  rules4: 'ip -4 -j rule show',
  rules6: 'ip -6 -j rule show',
  routes4: 'ip -4 -j route show table all',
  routes6: 'ip -6 -j route show table all',
  neighbours: 'ip -j neighbour show',
  listening: 'ss -Hlntu',
  filtered: `tc qdisc show | sed -nE 's/^qdisc (clsact|ingress) .* dev ([^ ]+) .*/\\2/p' | while read -r device; do
    for way in ingress egress; do [ -z "$(tc filter show dev "$device" $way)" ] || echo "$device"; done
  done`,
  expectations: 'wc -l < /proc/net/nf_conntrack_expect',
} as const satisfies Record<keyof NetworkTexts, string>;

/** Tables of iptables-legacy that the namespace has: reading any other would make it. */
const LEGACY = { iptables: '/proc/net/ip_tables_names', ip6tables: '/proc/net/ip6_tables_names' };

const MARK = '-- part --';

/**
 * The rules of every program in the namespace that a file stands for, and the network and settings beside them. Reads only.
 * @throws Error when nft does not list them
 */
export async function readAllRules(netnsFile: string): Promise<AllRules> {
  const nft = await inside(netnsFile, ['nft', '-j', 'list', 'ruleset']);
  // nft prints matches of iptables as `xt` and keeps what they say to itself.
  const hasXt = nft.includes('"xt"');
  const [listing, iptables, ip6tables, settings, legacy, network] = await Promise.all([
    inside(netnsFile, ['nft', '-a', 'list', 'ruleset']),
    hasXt ? saved(netnsFile, 'iptables') : null,
    hasXt ? saved(netnsFile, 'ip6tables') : null,
    whereThereIs(netnsFile, ['sysctl', '-a', '-r', SETTINGS]),
    readLegacy(netnsFile),
    readNetwork(netnsFile),
  ]);
  return { nft, listing, iptables, ip6tables, legacy, network, settings: settingsOf(settings ?? '') };
}

/** What the program for nftables saves; on a host that has only one program, what that one saves. */
async function saved(netnsFile: string, program: 'iptables' | 'ip6tables'): Promise<string | null> {
  return (await whereThereIs(netnsFile, [`${program}-nft-save`])) ?? whereThereIs(netnsFile, [`${program}-save`]);
}

/** The rules of iptables-legacy, which nft does not show; empty: there are none. null: they are there and cannot be read. */
async function readLegacy(netnsFile: string): Promise<string | null> {
  const texts = await Promise.all(
    Object.entries(LEGACY).map(async ([program, names]) => {
      const tables = await whereThereIs(netnsFile, ['cat', names]);
      return tables === null || tables.trim() === '' ? '' : whereThereIs(netnsFile, [`${program}-legacy-save`]);
    }),
  );
  return texts.includes(null) ? null : texts.join('');
}

/** One shell runs all commands, because spawning each would take most of the time. A command that fails leaves its part empty. */
async function readNetwork(netnsFile: string): Promise<NetworkTexts> {
  const script = Object.values(NETWORK)
    .map((command) => `{ ${command}; } 2>/dev/null; printf '\\n%s\\n' '${MARK}'`)
    .join('\n');
  const parts = (await inside(netnsFile, ['sh', '-c', script])).split(`\n${MARK}\n`);
  const part = (key: keyof NetworkTexts) => parts[Object.keys(NETWORK).indexOf(key)] ?? '';
  return {
    addresses: part('addresses'),
    rules4: part('rules4'),
    rules6: part('rules6'),
    routes4: part('routes4'),
    routes6: part('routes6'),
    neighbours: part('neighbours'),
    listening: part('listening'),
    filtered: part('filtered'),
    expectations: part('expectations'),
  };
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
