import ipaddr from 'ipaddr.js';
import { FAMILIES, type Family } from '../model/catalogue.ts';

/** An interface of a router: all but loopback that are up. */
export interface CopiedLink {
  readonly name: string;
  readonly isBridge: boolean;
  /** The bridge that it is a port of; null: none. */
  readonly master: string | null;
  /** CIDRs, without link-local ones. */
  readonly addresses: readonly { readonly family: Family; readonly address: string; readonly prefix: number }[];
}

/** Where the ends of a copy are, in one family. */
export interface CopiedEnds {
  readonly family: Family;
  readonly client: { readonly address: string; readonly gateway: string; readonly prefix: number };
  readonly server: {
    /** On the link: the router's next hop where it has a default route there, otherwise the server itself. */
    readonly onLink: string;
    readonly address: string;
    readonly gateway: string;
    readonly prefix: number;
  };
}

/** Servers behind a default route. The addresses are for documentation (RFC 5737, RFC 3849), so no real network has them. */
const FAR: Readonly<Record<Family, string>> = { ipv4: '203.0.113.9', ipv6: '2001:db8:9::9' };

/** Reads `ip -j -d address show`. What is not as the program prints it is left out. */
export function readLinks(json: string): CopiedLink[] {
  const links: unknown = json.trim() === '' ? [] : JSON.parse(json);
  return listOf(links).flatMap((one) => {
    const name = String(one['ifname'] ?? '');
    if (name === '' || name === 'lo' || !listOfWords(one['flags']).includes('UP')) return [];
    const [info = {}] = listOf([one['linkinfo']]);
    const addresses = listOf(one['addr_info'])
      .filter((item) => item['scope'] !== 'link' && typeof item['local'] === 'string')
      .map((item) => ({
        family: item['family'] === 'inet' ? ('ipv4' as const) : ('ipv6' as const),
        address: String(item['local']),
        prefix: Number(item['prefixlen']),
      }));
    return [
      { name, isBridge: info['info_kind'] === 'bridge', master: typeof one['master'] === 'string' ? one['master'] : null, addresses },
    ];
  });
}

/**
 * The inner and the outer interface of a router. The outer one is that of the default route or else, as the inner one, the first one that
 * the rules name for packets that leave or enter; failing that, the first two.
 * @param named interfaces that the rules name, in order
 * @returns null if there are no two interfaces with addresses
 */
export function sidesOf(
  links: readonly CopiedLink[],
  routes: readonly string[],
  named: { readonly iif: readonly string[]; readonly oif: readonly string[] },
): { inside: CopiedLink; outside: CopiedLink } | null {
  const usable = links.filter(({ addresses }) => addresses.length > 0);
  const by = (names: readonly (string | undefined)[], not?: CopiedLink) =>
    names.map((name) => usable.find((link) => link.name === name && link !== not)).find((link) => link !== undefined);
  const defaults = routes.filter((line) => line.startsWith('default ')).map((line) => / dev (\S+)/.exec(line)?.[1]);
  const fixed = by(defaults);
  const inside = by(named.iif, fixed) ?? by(named.oif, fixed) ?? usable.find((link) => link !== fixed);
  const outside = fixed ?? by(named.oif, inside) ?? usable.find((link) => link !== inside);
  return inside && outside ? { inside, outside } : null;
}

/**
 * Addresses for both ends, in each family that both interfaces have.
 * @param scope source and destination that the helper is limited to; null: any
 */
export function endsOf(
  { inside, outside }: { inside: CopiedLink; outside: CopiedLink },
  routes: readonly string[],
  scope: { readonly source: string | null; readonly destination: string | null },
): CopiedEnds[] {
  return FAMILIES.flatMap((family) => {
    const [near, far] = [inside, outside].map(({ addresses }) => addresses.find((one) => one.family === family));
    const client = near && hostIn(near, scope.source);
    const onLink = far && (gatewayOf(routes, outside.name, family) ?? hostIn(far, scope.destination));
    if (!near || !far || !client || !onLink) return [];
    const isRouted = gatewayOf(routes, outside.name, family) !== null;
    const address = isRouted ? (hostOf(scope.destination, family) ?? FAR[family]) : onLink;
    return [
      {
        family,
        client: { address: client, gateway: near.address, prefix: near.prefix },
        server: { onLink, address, gateway: far.address, prefix: far.prefix },
      },
    ];
  });
}

/** A host on a link, not the router: in the scope if the scope is on the link. Null: the link has no room for one. */
function hostIn({ address, prefix, family }: CopiedLink['addresses'][number], scope: string | null): string | null {
  const router = ipaddr.parse(address);
  const width = family === 'ipv4' ? 32 : 128;
  if (prefix > width - 2) return null;
  const wanted = hostOf(scope, family);
  if (wanted !== null && wanted !== address && isIn(wanted, address, prefix)) return wanted;
  const base = router.toByteArray();
  for (let last = 2; last < 255; last++) {
    const candidate = ipaddr.fromByteArray(base.with(-1, last)).toString();
    if (candidate !== router.toString() && isIn(candidate, address, prefix)) return candidate;
  }
  return null;
}

function isIn(one: string, network: string, prefix: number): boolean {
  const [a, b] = [ipaddr.parse(one), ipaddr.parse(network)];
  if (a instanceof ipaddr.IPv4 && b instanceof ipaddr.IPv4) return a.match(b, prefix);
  return a instanceof ipaddr.IPv6 && b instanceof ipaddr.IPv6 && a.match(b, prefix);
}

/** An address in a network of a scope: the network's second one, or a single address itself. */
function hostOf(scope: string | null, family: Family): string | null {
  if (scope === null) return null;
  const [text = '', digits] = scope.split('/');
  const address = ipaddr.parse(text);
  if (address.kind() !== family) return null;
  const bytes = address.toByteArray();
  const isSingle = digits === undefined || Number(digits) > bytes.length * 8 - 2;
  return isSingle ? text : ipaddr.fromByteArray(bytes.with(-1, (bytes.at(-1) ?? 0) + 2)).toString();
}

/** The next hop of the default route at an interface; null: there is none. */
function gatewayOf(routes: readonly string[], device: string, family: Family): string | null {
  for (const line of routes) {
    const [, via, dev] = /^default via (\S+) dev (\S+)/.exec(line) ?? [];
    if (via !== undefined && dev === device && via.includes(':') === (family === 'ipv6')) return via;
  }
  return null;
}

/** Routes that the kernel makes by itself, and what `ip route add` does not take back. */
const OWN_ROUTE = /^(local|broadcast|multicast|anycast) |\btable local\b|^(fe80::|ff00::)/;
const NOT_TAKEN = / (linkdown|dead|offload|trap|rt_offload|rt_trap)\b| (expires|error) -?\w+/g;

/** The routes of `ip route show table all` as `ip route add` takes them. */
export function copiedRoutes(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim().replace(NOT_TAKEN, ''))
    .filter((line) => line !== '' && !OWN_ROUTE.test(line));
}

/** The rules of `ip rule show` as `ip rule add` takes them, without the one for the table `local`. */
export function copiedRules(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [, priority, rule = ''] = /^(\d+):\s+(.+)$/.exec(line) ?? [];
    return priority === undefined || priority === '0' ? [] : [`pref ${priority} ${rule.replaceAll(/\[\w+\]/g, '').trim()}`];
  });
}

function listOf(value: unknown): Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.filter((one): one is Record<string, unknown> => typeof one === 'object' && one !== null) : [];
}

function listOfWords(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
