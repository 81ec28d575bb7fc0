import ipaddr from 'ipaddr.js';
import type { Family } from './catalogue.ts';
import { InvalidInput } from './errors.ts';

/** A network as bytes in network order; the bits below the prefix are zero. */
export interface Network {
  readonly family: Family;
  readonly bytes: readonly number[];
  readonly prefix: number;
}

/**
 * Parses an IPv4 or IPv6 address, with or without `/prefix`. Bits below the prefix are cleared. IPv4 needs four decimal parts.
 * @param field the field's name, for the message
 * @throws InvalidInput
 */
export function parseNetwork(text: string, field: string): Network {
  const bad = () =>
    new InvalidInput(
      field,
      `Invalid input for ${field}. '${text.slice(0, 64)}' is not an address or network like 192.0.2.0/24 or 2001:db8::/32.`,
    );
  const [address = '', prefixText, ...rest] = text.split('/');
  if (rest.length > 0 || !/^[0-9a-fA-F:.]+$/.test(address)) throw bad();
  const strict = address.includes(':') ? ipaddr.IPv6.isValid(address) : ipaddr.IPv4.isValidFourPartDecimal(address);
  if (!strict) throw bad();
  const parsed = ipaddr.parse(address);
  const width = parsed.kind() === 'ipv4' ? 32 : 128;
  if (prefixText !== undefined && !/^\d{1,3}$/.test(prefixText)) throw bad();
  const prefix = prefixText === undefined ? width : Number(prefixText);
  if (prefix > width) throw bad();
  return { family: parsed.kind() === 'ipv4' ? 'ipv4' : 'ipv6', bytes: masked(parsed.toByteArray(), prefix), prefix };
}

/** Returns a network's canonical text, which is nft's own: RFC 5952 for IPv6, and no prefix on single addresses. */
export function formatNetwork(network: Network): string {
  const address = ipaddr.fromByteArray([...network.bytes]);
  const text = address.kind() === 'ipv6' ? (address as ipaddr.IPv6).toRFC5952String() : address.toString();
  return network.prefix === network.bytes.length * 8 ? text : `${text}/${network.prefix}`;
}

/** Whether every address of `address` is in `network`. Networks of different families contain nothing of each other. */
export function networkContains(network: Network, address: Network): boolean {
  if (network.family !== address.family || address.prefix < network.prefix) return false;
  return masked(address.bytes, network.prefix).every((byte, index) => byte === network.bytes[index]);
}

function masked(bytes: readonly number[], prefix: number): number[] {
  return bytes.map((byte, index) => byte & netmaskByte(prefix, index));
}

/** Returns byte `index` (0 is the first) of the netmask with this prefix length. */
export function netmaskByte(prefix: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefix - index * 8));
  return (0xff << (8 - bits)) & 0xff;
}
