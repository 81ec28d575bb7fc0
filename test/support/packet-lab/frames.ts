import { parseNetwork } from '../../../src/model/address.ts';
import type { Family } from '../../../src/model/catalogue.ts';
import type { Packet } from '../../../src/review/ruleset/packet.ts';

/** The header of a packet, as the evaluator and the wire both have it. */
export type Header = Pick<Packet, 'family' | 'protocol' | 'source' | 'destination' | 'sport' | 'dport' | 'flags'>;

/** What a frame that arrived says of its packet. */
export interface Arrived {
  readonly id: number;
  readonly source: string;
  readonly destination: string;
  readonly dport: number | null;
}

const NUMBERS = { tcp: 6, udp: 17, gre: 47 } as const;
const HEADERS = { tcp: 20, udp: 8, gre: 4 } as const;
const FLAGS = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32 } as const;
const ETHERTYPES = { ipv4: 0x0800, ipv6: 0x86dd } as const;
const ETHERNET = 14;
/** First half of every payload: the test's packets among those of the kernel. */
const MAGIC = 0x70_69_6e_68;

/** An Ethernet frame with a packet whose payload carries an id. Addresses of the link are in `link`: destination, then source. */
export function frameOf(header: Header, id: number, link: Buffer): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(MAGIC, 0);
  payload.writeUInt32BE(id, 4);
  const transport = Buffer.concat([Buffer.alloc(HEADERS[header.protocol]), payload]);
  fillTransport(transport, header);
  const type = Buffer.alloc(2);
  type.writeUInt16BE(ETHERTYPES[header.family]);
  return Buffer.concat([link, type, network(header, transport.length), transport]);
}

/** Bytes of an address in network order. */
export function bytesOf(address: string): Buffer {
  return Buffer.from(parseNetwork(address, 'address').bytes);
}

function fillTransport(transport: Buffer, header: Header): void {
  const { protocol, sport, dport, flags } = header;
  if (protocol === 'gre') {
    transport.writeUInt16BE(0x0800, 2);
    return;
  }
  transport.writeUInt16BE(sport ?? 0, 0);
  transport.writeUInt16BE(dport ?? 0, 2);
  if (protocol === 'udp') transport.writeUInt16BE(transport.length, 4);
  else {
    transport.writeUInt32BE(1_000, 4);
    transport.writeUInt8(5 << 4, 12);
    transport.writeUInt8(
      flags.reduce((sum, flag) => sum | FLAGS[flag as keyof typeof FLAGS], 0),
      13,
    );
    transport.writeUInt16BE(65_535, 14);
  }
  const pseudo = Buffer.alloc(4);
  pseudo.writeUInt8(NUMBERS[protocol], 1);
  pseudo.writeUInt16BE(transport.length, 2);
  const sum = checksum(Buffer.concat([bytesOf(header.source), bytesOf(header.destination), pseudo, transport]));
  transport.writeUInt16BE(sum === 0 ? 0xffff : sum, protocol === 'udp' ? 6 : 16);
}

function network({ family, protocol, source, destination }: Header, length: number): Buffer {
  const addresses = Buffer.concat([bytesOf(source), bytesOf(destination)]);
  if (family === 'ipv6') {
    const head = Buffer.from([0x60, 0, 0, 0, length >> 8, length & 0xff, NUMBERS[protocol], 64]);
    return Buffer.concat([head, addresses]);
  }
  const total = 20 + length;
  const head = Buffer.from([0x45, 0, total >> 8, total & 0xff, 0, 0, 0x40, 0, 64, NUMBERS[protocol], 0, 0]);
  const whole = Buffer.concat([head, addresses]);
  whole.writeUInt16BE(checksum(whole), 10);
  return whole;
}

/** The Internet checksum (RFC 1071). */
function checksum(data: Buffer): number {
  let sum = 0;
  for (let at = 0; at < data.length; at += 2) sum += at + 1 < data.length ? data.readUInt16BE(at) : (data[at] as number) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Reads a frame; null: it is not one of the test's packets. */
export function readFrame(frame: Buffer): Arrived | null {
  const type = frame.length < ETHERNET ? 0 : frame.readUInt16BE(12);
  if (type === ETHERTYPES.ipv4) return readPacket(frame.subarray(ETHERNET));
  return type === ETHERTYPES.ipv6 ? readIpv6(frame.subarray(ETHERNET)) : null;
}

/** Reads an IPv4 packet, as a raw socket has it; null as for {@link readFrame}. */
export function readPacket(packet: Buffer): Arrived | null {
  if (packet.length < 20) return null;
  const source = [...packet.subarray(12, 16)].join('.');
  const destination = [...packet.subarray(16, 20)].join('.');
  return withTransport({ source, destination }, packet.subarray(((packet[0] as number) & 15) * 4), packet[9] as number);
}

function readIpv6(packet: Buffer): Arrived | null {
  if (packet.length < 40) return null;
  const address = (at: number) =>
    (
      packet
        .subarray(at, at + 16)
        .toString('hex')
        .match(/.{4}/g) ?? []
    ).join(':');
  return withTransport({ source: address(8), destination: address(24) }, packet.subarray(40), packet[6] as number);
}

function withTransport(addresses: Pick<Arrived, 'source' | 'destination'>, transport: Buffer, number: number): Arrived | null {
  const protocol = (Object.keys(NUMBERS) as (keyof typeof NUMBERS)[]).find((name) => NUMBERS[name] === number);
  const id = protocol === undefined ? null : idOf(transport, protocol);
  if (protocol === undefined || id === null) return null;
  return { ...addresses, id, dport: protocol === 'gre' ? null : transport.readUInt16BE(2) };
}

/** The id in the payload of a transport protocol's packet; null: it carries none. */
export function idOf(transport: Buffer, protocol: Header['protocol']): number | null {
  const at = HEADERS[protocol];
  return transport.length >= at + 8 && transport.readUInt32BE(at) === MAGIC ? transport.readUInt32BE(at + 4) : null;
}

/** Whether two spellings stand for the same address. */
export function sameAddress(a: string, b: string, family: Family): boolean {
  return family === 'ipv4' ? a === b : bytesOf(a).equals(bytesOf(b));
}
