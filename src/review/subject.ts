import type { ConfigKind } from './config/document.ts';
import type { LanguageName } from './source/syntax.ts';

/** Format of a subject. `live` is the text that {@link liveText} makes of the rules of a running namespace. */
export type SubjectKind = LanguageName | 'nft' | 'nft-json' | 'iptables' | 'live' | ConfigKind;

/** The kinds that `--kind` accepts for a file. */
export const SUBJECT_KINDS: readonly SubjectKind[] = [
  'python',
  'typescript',
  'tsx',
  'nft',
  'nft-json',
  'iptables',
  'neutron',
  'neutron-policy',
  'pinhole',
  'firewalld',
  'firewalld-conf',
  'shorewall-conntrack',
  'shorewall-conf',
  'openwrt',
  'sysctl',
  'modprobe',
];

/** Something to review: a file, or the rules of a live namespace as text. */
export interface Subject {
  /** Path as given on the command line, or `netns NAME`. */
  readonly name: string;
  readonly kind: SubjectKind;
  /** At most as long as `files.ts` allows for the kind. */
  readonly text: string;
  /** Permission bits (0 to 0o777); null: the subject is no file. */
  readonly mode: number | null;
}

/** By file name. The first pattern that matches decides. */
const BY_NAME: readonly (readonly [RegExp, SubjectKind])[] = [
  [/\.py$/, 'python'],
  [/\.tsx$/, 'tsx'],
  [/(?<!\.d)\.[mc]?ts$/, 'typescript'],
  [/\.(nft|nftables)$|(^|\/)nftables\.conf$/, 'nft'],
  [/(^|\/)(rules\.v[46]|ip6?tables(\.(save|rules))?)$|\.(iptables|ip6tables)$|(^|\/)[\w.-]*ip6?tables-save[\w.-]*$/, 'iptables'],
  [/(^|\/)firewalld\.conf$/, 'firewalld-conf'],
  [/(^|\/)shorewall6?\.conf$/, 'shorewall-conf'],
  [/(^|\/)(neutron[\w.-]*\.conf|l3_agent\.ini)$/, 'neutron'],
  [/(^|\/)[\w.-]*policy\.(ya?ml|json)$/, 'neutron-policy'],
  [/(^|\/)pinhole[\w.-]*\.ya?ml$/, 'pinhole'],
  [/(^|\/)sysctl(\.d\/.+)?\.conf$/, 'sysctl'],
  [/(^|\/)modprobe\.d\/.+\.conf$/, 'modprobe'],
];

/** By the beginning of the text. The first pattern that matches decides. */
const BY_CONTENT: readonly (readonly [RegExp, SubjectKind])[] = [
  [/^\s*\{\s*"nftables"\s*:/, 'nft-json'],
  [/^#!.*\bnft\b|^[ \t]*table\s+(?:(?:inet|ip6?|bridge|arp|netdev)\s+)?[\w.-]+\s*\{/m, 'nft'],
  [/^\*(filter|raw|nat|mangle|security)\s*$/m, 'iptables'],
  [/^\s*<\?xml[\s\S]{0,2000}?<(service|zone|helper|policy)\b|^\s*<(service|zone|helper|policy)\b/, 'firewalld'],
  [/^[ \t]*config\s+['"]?(defaults|zone|rule|forwarding|helper|include|redirect)\b/m, 'openwrt'],
  [/^[ \t]*(\?FORMAT|\?SECTION|\?AUTOHELPERS|CT:(helper|notrack))/m, 'shorewall-conntrack'],
  [/^[ \t]*options\s+(nf|ip)_(conntrack|nat)_\w+\s/m, 'modprobe'],
  [/^[ \t]*net[./](netfilter|ipv[46])[./]/m, 'sysctl'],
];

/** The kind of a file: by its name, or else by the first 64 Ki characters of its text; null: neither tells. */
export function kindOf(path: string, text: string): SubjectKind | null {
  const named = BY_NAME.find(([pattern]) => pattern.test(path))?.[1];
  if (named) return named;
  const head = text.slice(0, 65_536);
  return BY_CONTENT.find(([pattern]) => pattern.test(head))?.[1] ?? null;
}
