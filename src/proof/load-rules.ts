import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ScratchNetwork } from '../lab/scratch-network.ts';
import { liveParts } from '../review/ruleset/live.ts';
import type { Subject } from '../review/subject.ts';

/**
 * Loads a ruleset into a host of a scratch network.
 * @returns null: the kernel accepted it; otherwise the error of the program that loads it
 */
export async function loadRules(network: ScratchNetwork, host: string, subject: Subject): Promise<string | null> {
  const problem = await loadAll(network, host, loaders(subject));
  // JSON of nft 1.0.6 lacks the devices of netdev chains and the types of some maps. Its listing has them, and a failed load left nothing.
  if (problem === null || subject.kind !== 'live') return problem;
  return loadAll(network, host, listingLoaders(subject.text));
}

async function loadAll(network: ScratchNetwork, host: string, all: readonly Loader[]): Promise<string | null> {
  for (const { argv, input } of all) {
    const problem = await feed(network, host, argv, input);
    if (problem !== null) return problem;
  }
  return null;
}

/** Passes rules in a file, because nft opens JSON by name, and the standard input that Node creates is a socket without one. */
async function feed(network: ScratchNetwork, host: string, argv: readonly string[], input: string): Promise<string | null> {
  const folder = mkdtempSync(join(tmpdir(), 'pinhole-proof-'));
  try {
    const file = join(folder, 'rules');
    writeFileSync(file, input);
    await network.exec(host, [...argv, file]);
    return null;
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string };
    return stderr.trim().split('\n').slice(0, 3).join(' ').replaceAll(folder, '') || `${argv[0]} failed`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A command that loads rules, and its input. */
interface Loader {
  readonly argv: string[];
  readonly input: string;
}

/** Commands that load live rules by nft's listing for people. */
function listingLoaders(text: string): Loader[] {
  const { listing, iptables, ip6tables } = liveParts(text);
  const owned = ownedByIptables([iptables, ip6tables]);
  const tables = listing.split(/^(?=table )/m).filter((table) => {
    const [, family = '', name = ''] = /^table (\S+) (\S+)/.exec(table) ?? [];
    return !owned.has(`${family} ${name}`);
  });
  return [{ argv: ['nft', '-f'], input: tables.join('') }, ...saved(iptables, ip6tables)];
}

function saved(iptables: string | null, ip6tables: string | null): Loader[] {
  return [
    ...(iptables ? [{ argv: ['iptables-restore'], input: iptables }] : []),
    ...(ip6tables ? [{ argv: ['ip6tables-restore'], input: ip6tables }] : []),
  ];
}

/** Commands that load a ruleset, with their input. Rulesets that include files are refused before this. */
function loaders(subject: Subject): Loader[] {
  switch (subject.kind) {
    case 'nft':
      return [{ argv: ['nft', '-f'], input: subject.text }];
    case 'nft-json':
      return [{ argv: ['nft', '-j', '-f'], input: subject.text }];
    case 'iptables': {
      const parts = { ip: '', ip6: '' };
      let family: 'ip' | 'ip6' = /\bip6tables/.test(subject.text) && !/\biptables(-\w+)*-save/.test(subject.text) ? 'ip6' : 'ip';
      for (const line of subject.text.split('\n')) {
        if (/^#.*\bip6tables/.test(line)) family = 'ip6';
        else if (/^#.*\biptables/.test(line)) family = 'ip';
        parts[family] += `${line}\n`;
      }
      return [
        { argv: ['iptables-restore'], input: parts.ip },
        { argv: ['ip6tables-restore'], input: parts.ip6 },
      ].filter(({ input }) => /^\*/m.test(input));
    }
    case 'live': {
      const { nft, iptables, ip6tables } = liveParts(subject.text);
      return [{ argv: ['nft', '-j', '-f'], input: withoutIptables(nft, [iptables, ip6tables]) }, ...saved(iptables, ip6tables)];
    }
    default:
      return [];
  }
}

/** Tables of iptables, like `ip filter`. */
function ownedByIptables(saved: readonly (string | null)[]): ReadonlySet<string> {
  return new Set(
    ['ip', 'ip6'].flatMap((family, index) => [...(saved[index] ?? '').matchAll(/^\*(\S+)/gm)].map(([, table]) => `${family} ${table}`)),
  );
}

/** The JSON listing without tables of iptables, which nft cannot load; iptables-restore creates them. */
function withoutIptables(nft: string, programs: readonly (string | null)[]): string {
  const owned = ownedByIptables(programs);
  const { nftables } = JSON.parse(nft) as { nftables: Readonly<Record<string, { family?: string; table?: string; name?: string }>>[] };
  const isOwned = (item: (typeof nftables)[number]) =>
    Object.entries(item).some(([kind, { family, table, name }]) => owned.has(`${family} ${kind === 'table' ? name : table}`));
  return JSON.stringify({ nftables: nftables.filter((item) => !isOwned(item)) });
}
