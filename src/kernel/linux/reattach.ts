import { type Network, networkContains } from '../../model/address.ts';
import type { Attributes, MessageWriter } from './netlink.ts';

/**
 * A connection made anew with a helper. The kernel attaches one to a connection only while it makes it
 * (`ctnetlink_change_helper` refuses: EOPNOTSUPP, EBUSY), so the entry is deleted and created again in one go, as conntrackd
 * does on a fail-over: addresses, translation, state, time left, mark and labels stay.
 */

/** linux/netfilter/nfnetlink_conntrack.h, enum ctattr_type. */
export const CTA = {
  TUPLE_ORIG: 1,
  TUPLE_REPLY: 2,
  STATUS: 3,
  PROTOINFO: 4,
  HELP: 5,
  NAT_SRC: 6,
  TIMEOUT: 7,
  MARK: 8,
  ID: 12,
  NAT_DST: 13,
  TUPLE_MASTER: 14,
  SEQ_ADJ_ORIG: 15,
  SEQ_ADJ_REPLY: 16,
  ZONE: 18,
  LABELS: 22,
  STATUS_MASK: 26,
} as const;
export const HELP_NAME = 1;
export const TUPLE = { IP: 1, PROTO: 2 } as const;
export const IP = { V4_SRC: 1, V4_DST: 2, V6_SRC: 3, V6_DST: 4 } as const;
export const PROTO = { NUM: 1, SRC_PORT: 2, DST_PORT: 3 } as const;
const NAT = { V4_MIN: 1, V4_MAX: 2, PROTO: 3, V6_MIN: 4, V6_MAX: 5 } as const;
const PORT = { MIN: 1, MAX: 2 } as const;
const PROTOINFO_TCP = 1;
const TCP = { STATE: 1, WSCALE_ORIGINAL: 2, WSCALE_REPLY: 3, FLAGS_ORIGINAL: 4, FLAGS_REPLY: 5 } as const;
/** nf_conntrack_tcp.h */
const TCP_ESTABLISHED = 3;
const TCP_FLAG_BE_LIBERAL = 0x08;
/** nf_conntrack_common.h: what of a status may be set anew. */
const STATUS = { SEEN_REPLY: 1 << 1, ASSURED: 1 << 2, CONFIRMED: 1 << 3 } as const;
const NESTED = 0x8000;

/** A connection's addresses, in network order, and ports in one direction. */
export interface Tuple {
  readonly source: Buffer;
  readonly destination: Buffer;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** Addresses, protocol and ports of a CTA_TUPLE_* attribute. */
export function readTuple(tuple: Attributes): Tuple {
  const ip = tuple.nested(TUPLE.IP);
  const proto = tuple.nested(TUPLE.PROTO);
  return {
    source: ip.get(IP.V4_SRC) ?? ip.get(IP.V6_SRC) ?? Buffer.alloc(0),
    destination: ip.get(IP.V4_DST) ?? ip.get(IP.V6_DST) ?? Buffer.alloc(0),
    sourcePort: proto.u16(PROTO.SRC_PORT),
    destinationPort: proto.u16(PROTO.DST_PORT),
  };
}

/** Whether it can be made anew: no helper yet, no other connection's child, and TCP in the middle of its life. */
export function isReattachable(connection: Attributes): boolean {
  if (connection.get(CTA.HELP) || connection.get(CTA.TUPLE_MASTER)) return false;
  if ((connection.u32(CTA.STATUS) & STATUS.SEEN_REPLY) === 0) return false;
  const tcp = connection.nested(CTA.PROTOINFO).get(PROTOINFO_TCP);
  return tcp === undefined || connection.nested(CTA.PROTOINFO).nested(PROTOINFO_TCP).u8(TCP.STATE) === TCP_ESTABLISHED;
}

/** Whether an address in network order lies in a network; null is every network of any family. */
export function isWithin(address: Buffer, network: Network | null): boolean {
  const family = address.length === 4 ? 'ipv4' : 'ipv6';
  return network === null || networkContains(network, { family, bytes: [...address], prefix: address.length * 8 });
}

/** Names the connection: that one, or with `anyId` whichever has its addresses now. */
export function writeIdentity(out: MessageWriter, connection: Attributes, anyId: boolean): void {
  copy(out, connection, [CTA.TUPLE_ORIG], NESTED);
  copy(out, connection, anyId ? [CTA.ZONE] : [CTA.ZONE, CTA.ID]);
}

/** @param helper kernel name; null to make it anew as it was */
export function writeAnew(out: MessageWriter, connection: Attributes, helper: string | null): void {
  const original = readTuple(connection.nested(CTA.TUPLE_ORIG));
  const reply = readTuple(connection.nested(CTA.TUPLE_REPLY));
  copy(out, connection, [CTA.TUPLE_ORIG], NESTED);
  writeReply(out, connection.nested(CTA.TUPLE_ORIG), original);
  copy(out, connection, [CTA.ZONE, CTA.TIMEOUT, CTA.MARK, CTA.LABELS]);
  copy(out, connection, [CTA.SEQ_ADJ_ORIG, CTA.SEQ_ADJ_REPLY], NESTED);
  out.u32(CTA.STATUS, (connection.u32(CTA.STATUS) & (STATUS.SEEN_REPLY | STATUS.ASSURED)) | STATUS.CONFIRMED);
  writeTcpState(out, connection);
  if (!reply.destination.equals(original.source) || reply.destinationPort !== original.sourcePort)
    writeNat(out, CTA.NAT_SRC, reply.destination, reply.destinationPort);
  if (!reply.source.equals(original.destination) || reply.sourcePort !== original.destinationPort)
    writeNat(out, CTA.NAT_DST, reply.source, reply.sourcePort);
  if (helper !== null) out.nest(CTA.HELP, () => out.string(HELP_NAME, helper));
}

/** The reply as it would be without translation: the kernel works out the translated one from the ranges. */
function writeReply(out: MessageWriter, attributes: Attributes, { source, destination, sourcePort, destinationPort }: Tuple): void {
  const isV4 = source.length === 4;
  out.nest(CTA.TUPLE_REPLY, () => {
    out.nest(TUPLE.IP, () => {
      out.attribute(isV4 ? IP.V4_SRC : IP.V6_SRC, destination);
      out.attribute(isV4 ? IP.V4_DST : IP.V6_DST, source);
    });
    out.nest(TUPLE.PROTO, () => {
      out.u8(PROTO.NUM, attributes.nested(TUPLE.PROTO).u8(PROTO.NUM));
      out.u16(PROTO.SRC_PORT, destinationPort);
      out.u16(PROTO.DST_PORT, sourcePort);
    });
  });
}

function writeNat(out: MessageWriter, type: number, address: Buffer, port: number): void {
  const isV4 = address.length === 4;
  out.nest(type, () => {
    out.attribute(isV4 ? NAT.V4_MIN : NAT.V6_MIN, address);
    out.attribute(isV4 ? NAT.V4_MAX : NAT.V6_MAX, address);
    out.nest(NAT.PROTO, () => {
      out.u16(PORT.MIN, port);
      out.u16(PORT.MAX, port);
    });
  });
}

/** Windows are not told over netlink: the tracker learns them from the next packets, and lets those pass meanwhile. */
function writeTcpState(out: MessageWriter, connection: Attributes): void {
  if (!connection.nested(CTA.PROTOINFO).get(PROTOINFO_TCP)) return;
  const tcp = connection.nested(CTA.PROTOINFO).nested(PROTOINFO_TCP);
  out.nest(CTA.PROTOINFO, () =>
    out.nest(PROTOINFO_TCP, () => {
      out.u8(TCP.STATE, tcp.u8(TCP.STATE));
      for (const type of [TCP.WSCALE_ORIGINAL, TCP.WSCALE_REPLY]) if (tcp.get(type)) out.u8(type, tcp.u8(type));
      for (const type of [TCP.FLAGS_ORIGINAL, TCP.FLAGS_REPLY]) {
        const flags = (tcp.get(type)?.[0] ?? 0) | TCP_FLAG_BE_LIBERAL;
        out.attribute(type, Uint8Array.of(flags, flags));
      }
    }),
  );
}

function copy(out: MessageWriter, from: Attributes, types: readonly number[], flag = 0): void {
  for (const type of types) {
    const value = from.get(type);
    if (value) out.attribute(type | flag, value);
  }
}
