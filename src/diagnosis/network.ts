import type { NetworkTexts } from '../kernel/interface.ts';
import { networkContains, parseNetwork } from '../model/address.ts';
import { FAMILIES, type Family } from '../model/catalogue.ts';
import { InvalidInput } from '../model/errors.ts';

export interface Link {
  readonly name: string;
  readonly up: boolean;
  /** Interface that it is a port of, such as a bridge or a VRF; null: none. */
  readonly master: string | null;
  /** `bridge`, `vrf`, `veth` and the like; null: not said. */
  readonly kind: string | null;
  /** Whether an XDP program sees its packets first. */
  readonly xdp: boolean;
  /** Whether `tc` filters its packets. */
  readonly filtered: boolean;
  readonly addresses: readonly { readonly family: Family; readonly address: string; readonly prefix: number }[];
}

/** A route. Fields that a route of this kind lacks are null. */
export interface Route {
  readonly table: string;
  /** `unicast`, `local`, `blackhole` and the like. */
  readonly type: string;
  /** CIDR. */
  readonly destination: string;
  readonly metric: number;
  /** Interfaces of its next hops. */
  readonly devices: readonly string[];
  readonly gateway: string | null;
}

/** A rule of policy routing. null: it does not ask. */
export interface PolicyRule {
  readonly priority: number;
  readonly negated: boolean;
  readonly source: string | null;
  readonly destination: string | null;
  readonly input: string | null;
  readonly output: string | null;
  readonly mark: { readonly value: number; readonly mask: number } | null;
  readonly protocol: string | null;
  readonly sport: readonly [number, number] | null;
  readonly dport: readonly [number, number] | null;
  /** Table to look up; null: `action` decides. */
  readonly table: string | null;
  readonly action: string | null;
  /** Routes with a prefix of at most this length do not count; null: all count. */
  readonly suppressed: number | null;
  /** Whether it has a selector that is not modelled, such as a user id. */
  readonly opaque: boolean;
}

/** The network of a namespace. */
export interface NetworkFacts {
  readonly links: readonly Link[];
  readonly routes: Readonly<Record<Family, readonly Route[]>>;
  readonly rules: Readonly<Record<Family, readonly PolicyRule[]>>;
  readonly neighbours: readonly { readonly address: string; readonly device: string }[];
  /** Ports on which a process listens. */
  readonly listening: readonly { readonly protocol: 'tcp' | 'udp'; readonly port: number }[];
  readonly settings: Readonly<Record<string, string>>;
  /** Number of expectations; NaN: not known. */
  readonly expectations: number;
}

type Json = Readonly<Record<string, unknown>>;

/** Reads what the programs said. @throws InvalidInput for a text that is not what they print */
export function readNetwork(texts: NetworkTexts, settings: Readonly<Record<string, string>>): NetworkFacts {
  const filtered = new Set(texts.filtered.split('\n').map((line) => line.trim()));
  return {
    links: listOf(texts.addresses, 'ip address').map((one) => linkOf(one, filtered)),
    routes: { ipv4: routesOf(texts.routes4, 'ipv4'), ipv6: routesOf(texts.routes6, 'ipv6') },
    rules: { ipv4: rulesOf(texts.rules4, 'ipv4'), ipv6: rulesOf(texts.rules6, 'ipv6') },
    neighbours: listOf(texts.neighbours, 'ip neighbour').flatMap((one) =>
      wordsOf(one['state']).includes('FAILED') ? [] : [{ address: textOf(one['dst']), device: textOf(one['dev']) }],
    ),
    listening: listeningOf(texts.listening),
    settings,
    expectations: Number.parseInt(texts.expectations, 10),
  };
}

function listOf(text: string, what: string): Json[] {
  if (text.trim() === '') return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidInput('network', `The output of ${what} is not JSON.`);
  }
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function linkOf(one: Json, filtered: ReadonlySet<string>): Link {
  const info = isObject(one['linkinfo']) ? one['linkinfo'] : {};
  return {
    name: textOf(one['ifname']),
    up: wordsOf(one['flags']).includes('UP'),
    master: textOf(one['master']) || null,
    kind: textOf(info['info_kind']) || null,
    xdp: one['xdp'] !== undefined,
    filtered: filtered.has(textOf(one['ifname'])),
    addresses: (Array.isArray(one['addr_info']) ? one['addr_info'].filter(isObject) : []).flatMap((item) => {
      const address = textOf(item['local']);
      return address === '' || textOf(item['scope']) === 'link'
        ? []
        : [
            {
              family: textOf(item['family']) === 'inet' ? ('ipv4' as const) : ('ipv6' as const),
              address,
              prefix: Number(item['prefixlen']),
            },
          ];
    }),
  };
}

function routesOf(text: string, family: Family): Route[] {
  return listOf(text, 'ip route').flatMap((one) => {
    const hops = Array.isArray(one['nexthops']) ? one['nexthops'].filter(isObject) : [];
    const live = [one, ...hops].filter(({ flags }) => !wordsOf(flags).includes('dead'));
    if (!live.includes(one)) return [];
    return [
      {
        table: textOf(one['table']) || 'main',
        type: textOf(one['type']) || 'unicast',
        destination: destinationOf(textOf(one['dst']), family),
        metric: Number(one['metric'] ?? 0),
        devices: live.map(({ dev }) => textOf(dev)).filter(Boolean),
        gateway: live.map(({ gateway }) => textOf(gateway)).find(Boolean) ?? null,
      },
    ];
  });
}

function destinationOf(text: string, family: Family): string {
  return text === 'default' ? (family === 'ipv4' ? '0.0.0.0/0' : '::/0') : text;
}

/** Keys of a rule that the fields of {@link PolicyRule} cover. */
const KNOWN =
  /^(priority|not|src|srclen|dst|dstlen|iif|oif|fwmark|fwmask|ipproto|sport|dport|sport_start|sport_end|dport_start|dport_end|table|action|suppress_prefixlen|protocol|iif_detached|oif_detached)$/;

function rulesOf(text: string, family: Family): PolicyRule[] {
  return listOf(text, 'ip rule')
    .map((one): PolicyRule => {
      const network = (key: string) => {
        const address = textOf(one[key]);
        if (address === '' || address === 'all') return null;
        const length = one[`${key}len`];
        return length === undefined ? destinationOf(address, family) : `${address}/${Number(length)}`;
      };
      const range = (key: string): [number, number] | null => {
        const from = one[key] ?? one[`${key}_start`];
        return from === undefined ? null : [Number(from), Number(one[`${key}_end`] ?? from)];
      };
      return {
        priority: Number(one['priority']),
        negated: one['not'] !== undefined,
        source: network('src'),
        destination: network('dst'),
        input: textOf(one['iif']) || null,
        output: textOf(one['oif']) || null,
        mark: one['fwmark'] === undefined ? null : { value: Number(one['fwmark']), mask: Number(one['fwmask'] ?? 0xffffffff) },
        protocol: textOf(one['ipproto']) || null,
        sport: range('sport'),
        dport: range('dport'),
        table: textOf(one['table']) || null,
        action: textOf(one['action']) || null,
        suppressed: one['suppress_prefixlen'] === undefined ? null : Number(one['suppress_prefixlen']),
        opaque: Object.keys(one).some((key) => !KNOWN.test(key)),
      };
    })
    .sort((a, b) => a.priority - b.priority);
}

/** Lines of ss: `tcp LISTEN 0 32 *:21 *:*`. */
function listeningOf(text: string): { protocol: 'tcp' | 'udp'; port: number }[] {
  return text.split('\n').flatMap((line) => {
    const [protocol, , , , local = ''] = line.trim().split(/\s+/);
    const port = Number(/:(\d+)$/.exec(local)?.[1]);
    return (protocol === 'tcp' || protocol === 'udp') && Number.isInteger(port) ? [{ protocol, port }] : [];
  });
}

/** Whether an address is in a network. */
export function contains(network: string, address: string): boolean {
  return networkContains(parseNetwork(network, 'network'), parseNetwork(address, 'address'));
}

/** Whether the namespace itself has an address. */
export function isOwn({ links }: NetworkFacts, address: string): boolean {
  return links.some(({ addresses }) => addresses.some((one) => contains(one.address, address)));
}

/** The family of an address. */
export function familyOf(address: string): Family {
  return FAMILIES[address.includes(':') ? 1 : 0] as Family;
}

function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function wordsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(textOf) : [];
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
