import { networkContains, parseNetwork } from '../model/address.ts';
import type { Protocol } from '../model/catalogue.ts';
import type { Hook, Match, Table } from '../model/table.ts';

/** The first packet of a connection, as the prerouting or output hook sees it. Addresses are text, like `192.0.2.1`. */
export interface Packet {
  readonly hook: Exclude<Hook, 'forward'>;
  readonly protocol: Protocol;
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  readonly inInterface?: string;
}

/**
 * Answers which helper a flow gets. Walks the table's rules as the kernel does for the first packet of a connection. IPv6 packets
 * skip an object of IPv4 only; the first helper that a rule sets stays.
 * @returns the kernel's helper type, or null for none
 * @throws Error for a rule that cannot stand on an assignment path, because the tracer does not guess
 */
export function trace(table: Table | null, packet: Packet): string | null {
  for (const chain of table?.chains ?? []) {
    if (chain.base?.hook !== packet.hook) continue;
    const found = walk(table as Table, chain.name, packet);
    if (found) return found;
  }
  return null;
}

function walk(table: Table, chainName: string, packet: Packet): string | null {
  const chain = table.chains.find(({ name }) => name === chainName);
  for (const { matches, action } of chain?.rules ?? []) {
    if (!matches.every((match) => matchesPacket(match, packet))) continue;
    if (action.kind === 'jump') {
      const found = walk(table, action.chain, packet);
      if (found) return found;
    } else if (action.kind === 'set-helper') {
      const found = typeOf(table, action.object, packet);
      if (found) return found;
    } else if (action.kind === 'map-helper') {
      const entry = action.protocol === packet.protocol && action.entries.find(([port]) => port === packet.port);
      const found = entry ? typeOf(table, entry[1], packet) : null;
      if (found) return found;
    } else {
      throw new Error(`chain ${chainName}: ${action.kind} cannot stand on an assignment path`);
    }
  }
  return null;
}

function typeOf(table: Table, objectName: string, packet: Packet): string | null {
  const object = table.objects.find(({ name }) => name === objectName);
  const family = packet.destination.includes(':') ? 'ip6' : 'ip';
  if (!object || object.protocol !== packet.protocol) return null;
  return object.family === 'inet' || object.family === family ? object.type : null;
}

function matchesPacket(match: Match, packet: Packet): boolean {
  switch (match.kind) {
    case 'ct-state':
      return match.state === 'new';
    case 'l4proto':
      return (match.protocol === packet.protocol) !== match.not;
    case 'address':
      return networkContains(parseNetwork(match.cidr, 'rule'), parseNetwork(packet[match.side], match.side));
    case 'in-interface':
      return match.name === packet.inInterface;
    case 'dport':
      return match.protocol === packet.protocol && match.port === packet.port;
    case 'dport-below':
      return match.protocol === packet.protocol && packet.port < match.port;
    case 'dport-in':
      return match.protocol === packet.protocol && match.ports.includes(packet.port);
    case 'rate-over':
      throw new Error('a rate cannot be traced');
  }
}
