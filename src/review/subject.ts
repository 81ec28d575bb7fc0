import type { ConfigKind } from './config/document.ts';
import type { LanguageName } from './source/syntax.ts';

/** `live`: what {@link liveText} makes of a running namespace. */
export type SubjectKind = LanguageName | 'nft' | 'nft-json' | 'iptables' | 'live' | ConfigKind;

/** Those that a file can be said to be. */
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

/** What is reviewed: a file, or a live ruleset as text. */
export interface Subject {
  /** Path as it was given, or `netns NAME`. */
  readonly name: string;
  readonly kind: SubjectKind;
  readonly text: string;
  /** Permission bits; null where it is no file. */
  readonly mode: number | null;
}

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

/** What a file is, by its name or else its beginning; null where neither says. */
export function kindOf(path: string, text: string): SubjectKind | null {
  const named = BY_NAME.find(([pattern]) => pattern.test(path))?.[1];
  if (named) return named;
  const head = text.slice(0, 65_536);
  return BY_CONTENT.find(([pattern]) => pattern.test(head))?.[1] ?? null;
}
