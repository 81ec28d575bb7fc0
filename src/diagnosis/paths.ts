import { formatNetwork, parseNetwork } from '../model/address.ts';
import type { Family } from '../model/catalogue.ts';
import type { Path, Peer } from './conversation.ts';
import { contains, isOwn, type Link, type NetworkFacts } from './network.ts';
import { lookUpRoute } from './routing.ts';

/** Which connections a helper is for. null: any. */
export interface Limits {
  readonly source: string | null;
  readonly destination: string | null;
  readonly input: string | null;
}

/** A client and a server that the operator names; null: any. */
export interface Named {
  readonly from: string | null;
  readonly to: string | null;
}

/** Only so many hosts stand for the networks around a router: the paths between them grow with the square. */
const MAX_PEERS = 8;
/** An address beyond the default route. Nothing is sent to it. */
const FAR: Readonly<Record<Family, string>> = { ipv4: '93.184.215.14', ipv6: '2606:2800:21f::14' };

/**
 * The ways that control connections can take through a router: between hosts that stand for the networks at its interfaces, and to
 * a server of its own.
 * @param isOpen whether a process of the router listens on the control port
 * @param translates whether rules may translate what is sent to the router itself
 */
export function pathsThrough(
  network: NetworkFacts,
  family: Family,
  wanted: { readonly limits: Limits; readonly named: Named; readonly isOpen: boolean; readonly translates: boolean },
): Path[] {
  const { limits, named } = wanted;
  const clients = peers(network, family, named.from, limits.source).filter(
    ({ address, device }) => isWithin(limits.source, address) && (limits.input === null || limits.input === device),
  );
  const servers = peers(network, family, named.to, limits.destination).filter(({ address }) => isWithin(limits.destination, address));
  const forwarded = clients.flatMap((client) =>
    servers
      .filter(({ device }) => device !== null && device !== client.device)
      .map((server): Path => ({ family, client, server, dialled: server.address })),
  );
  const own = clients.flatMap((client) => {
    const dialled = named.to ?? ownAddress(network, family, client.device);
    if (dialled === null || !isOwn(network, dialled) || !isWithin(limits.destination, dialled) || client.device === null) return [];
    return wanted.isOpen || wanted.translates ? [{ family, client, server: { address: dialled, device: null }, dialled }] : [];
  });
  return [...forwarded, ...own];
}

function isWithin(network: string | null, address: string): boolean {
  return network === null || contains(network, address);
}

function ownAddress({ links }: NetworkFacts, family: Family, device: string | null): string | null {
  return links.find(({ name }) => name === device)?.addresses.find((one) => one.family === family)?.address ?? null;
}

/** Hosts around the router: the one that is named, or one for each network at an interface, in a scope if there is one. */
function peers(network: NetworkFacts, family: Family, named: string | null, scope: string | null): Peer[] {
  if (named !== null) return named.includes(':') === (family === 'ipv6') ? [peerAt(network, family, named)] : [];
  const near = network.links.flatMap((link) => neighboursOf(network, link, family));
  const far = network.routes[family].some(({ destination, gateway }) => destination.endsWith('/0') && gateway !== null)
    ? [peerAt(network, family, FAR[family])]
    : [];
  const found = [...near, ...far].filter(({ address, device }) => device !== null && isWithin(scope, address));
  if (found.length > 0 || scope === null) return found.slice(0, MAX_PEERS);
  const inside = firstHost(scope, []);
  return inside !== null && inside.includes(':') === (family === 'ipv6') ? [peerAt(network, family, inside)] : [];
}

/** A host, behind the interface to which routes lead. */
function peerAt(network: NetworkFacts, family: Family, address: string): Peer {
  if (isOwn(network, address)) return { address, device: null };
  const query = { family, to: address, from: null, input: null, mark: 0, protocol: null, sport: null, dport: null };
  const answer = lookUpRoute(network, query);
  return { address, device: answer.kind === 'unicast' ? (answer.devices[0] ?? null) : null };
}

/** A host in each network of an interface: one that was seen there, or else the first that could be. */
function neighboursOf({ neighbours }: NetworkFacts, { name, up, addresses }: Link, family: Family): Peer[] {
  if (!up || name === 'lo') return [];
  const own = addresses.map(({ address }) => address);
  return addresses
    .filter((one) => one.family === family)
    .flatMap(({ address, prefix }) => {
      const subnet = `${address}/${prefix}`;
      const seen = neighbours.find((one) => one.device === name && isHostOf(subnet, one.address, own));
      const host = seen?.address ?? firstHost(subnet, own);
      return host === null ? [] : [{ address: host, device: name }];
    });
}

function isHostOf(subnet: string, address: string, own: readonly string[]): boolean {
  return contains(subnet, address) && !own.includes(address);
}

/** The first address of a network that can be another host's; null: there is none. */
function firstHost(subnet: string, own: readonly string[]): string | null {
  const { bytes, prefix, family } = parseNetwork(subnet, 'network');
  const width = bytes.length * 8;
  if (prefix === width) return own.length === 0 ? formatNetwork({ family, bytes, prefix }) : null;
  for (let last = prefix >= width - 1 ? 0 : 1; last < 2 ** Math.min(7, width - prefix); last++) {
    const host = bytes.map((byte, index) => (index === bytes.length - 1 ? byte + last : byte));
    const address = formatNetwork({ family, bytes: host, prefix: width });
    if (!own.includes(address)) return address;
  }
  return null;
}
