import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Attributes, errorOf, MessageWriter, messages } from '../../src/kernel/linux/netlink.ts';
import {
  CTA,
  HELP_NAME,
  IP,
  isReattachable,
  isWithin,
  PROTO,
  readTuple,
  TUPLE,
  writeAnew,
  writeIdentity,
} from '../../src/kernel/linux/reattach.ts';
import { parseNetwork } from '../../src/model/address.ts';
import { attributes } from '../support/nft-memory.ts';
import { runs } from '../support/runs.ts';

interface End {
  readonly address: Buffer;
  readonly port: number;
}

interface Connection {
  readonly from: End;
  readonly to: End;
  /** Where the reply goes to and comes from: others than `from` and `to` behind address translation. */
  readonly replyTo: End;
  readonly replyFrom: End;
  readonly tcpState: number | null;
  readonly status: number;
  readonly more?: (out: MessageWriter) => void;
}

const SEEN_REPLY = 2;
const ASSURED = 4;
const CONFIRMED = 8;
const DYING = 1 << 9;
const PROTOINFO_TCP = 1;
const TCP_STATE = 1;
const ESTABLISHED = 3;

function tuple(out: MessageWriter, type: number, { source, destination }: { source: End; destination: End }): void {
  const isV4 = source.address.length === 4;
  out.nest(type, () => {
    out.nest(TUPLE.IP, () => {
      out.attribute(isV4 ? IP.V4_SRC : IP.V6_SRC, source.address);
      out.attribute(isV4 ? IP.V4_DST : IP.V6_DST, destination.address);
    });
    out.nest(TUPLE.PROTO, () => out.u8(PROTO.NUM, 6).u16(PROTO.SRC_PORT, source.port).u16(PROTO.DST_PORT, destination.port));
  });
}

function connection({ from, to, replyTo, replyFrom, tcpState, status, more }: Connection): Attributes {
  return new Attributes(
    attributes((out) => {
      tuple(out, CTA.TUPLE_ORIG, { source: from, destination: to });
      tuple(out, CTA.TUPLE_REPLY, { source: replyFrom, destination: replyTo });
      out.u32(CTA.STATUS, status).u32(CTA.TIMEOUT, 300).u32(CTA.MARK, 7).u32(CTA.ID, 99).u16(CTA.ZONE, 3);
      if (tcpState !== null)
        out.nest(CTA.PROTOINFO, () => out.nest(PROTOINFO_TCP, () => out.u8(TCP_STATE, tcpState).u8(2, 5).attribute(4, Buffer.of(1, 1))));
      more?.(out);
    }),
  );
}

function anew(one: Attributes, helper: string | null): Attributes {
  const out = new MessageWriter().begin(0, 0, { family: 2, sequence: 1 });
  writeAnew(out, one, helper);
  const [message] = messages(out.end().bytes());
  return Attributes.ofMessage(message as NonNullable<typeof message>);
}

const v4 = fc.uint8Array({ minLength: 4, maxLength: 4 });
const v6 = fc.uint8Array({ minLength: 16, maxLength: 16 });
const port = fc.integer({ min: 1, max: 65_535 });
const ends = fc.oneof(v4, v6).chain(({ length }) => {
  const end = fc.record({ address: fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes)), port });
  return fc.tuple(end, end, end, end);
});

const NAT_ADDRESS = { 4: 1, 16: 4 } as const;
const NAT_PROTO = 3;

/** The address and port that a range of one translates to. */
function translation(of: Attributes): End {
  const isV4 = of.get(NAT_ADDRESS[4]) !== undefined;
  return { address: of.get(isV4 ? NAT_ADDRESS[4] : NAT_ADDRESS[16]) ?? Buffer.alloc(0), port: of.nested(NAT_PROTO).u16(1) };
}

describe('law: a connection that is made anew goes where it went', () => {
  it('keeps its addresses and what was translated, and nothing is translated that was not', () => {
    fc.assert(
      fc.property(ends, fc.boolean(), fc.boolean(), ([from, to, other, another], isSnat, isDnat) => {
        const [replyTo, replyFrom] = [isSnat ? other : from, isDnat ? another : to];
        const made = anew(connection({ from, to, replyTo, replyFrom, tcpState: null, status: SEEN_REPLY }), 'ftp');
        const same = (a: End, b: End) => a.address.equals(b.address) && a.port === b.port;
        const original = readTuple(made.nested(CTA.TUPLE_ORIG));
        expect(original).toEqual({ source: from.address, destination: to.address, sourcePort: from.port, destinationPort: to.port });
        // The reply as it is without translation; the kernel applies the ranges to it.
        expect(readTuple(made.nested(CTA.TUPLE_REPLY))).toEqual({
          source: to.address,
          destination: from.address,
          sourcePort: to.port,
          destinationPort: from.port,
        });
        expect(made.get(CTA.NAT_SRC) === undefined).toBe(same(replyTo, from));
        expect(made.get(CTA.NAT_DST) === undefined).toBe(same(replyFrom, to));
        if (!same(replyTo, from)) expect(translation(made.nested(CTA.NAT_SRC))).toEqual(replyTo);
        if (!same(replyFrom, to)) expect(translation(made.nested(CTA.NAT_DST))).toEqual(replyFrom);
        expect(made.nested(CTA.HELP).string(HELP_NAME)).toBe('ftp');
      }),
      runs(0.5),
    );
  });
});

describe('a connection made anew', () => {
  const end = (last: number, at: number): End => ({ address: Buffer.of(10, 0, 0, last), port: at });
  const PLAIN: Connection = {
    from: end(1, 1000),
    to: end(2, 21),
    replyTo: end(1, 1000),
    replyFrom: end(2, 21),
    tcpState: ESTABLISHED,
    status: SEEN_REPLY | ASSURED | DYING,
  };

  it('keeps time, mark, zone and the state of TCP, is liberal about windows, and is confirmed', () => {
    const made = anew(connection(PLAIN), null);
    expect([made.u32(CTA.TIMEOUT), made.u32(CTA.MARK), made.u16(CTA.ZONE)]).toEqual([300, 7, 3]);
    expect(made.u32(CTA.STATUS)).toBe(SEEN_REPLY | ASSURED | CONFIRMED);
    const tcp = made.nested(CTA.PROTOINFO).nested(PROTOINFO_TCP);
    expect([tcp.u8(TCP_STATE), tcp.u8(2), tcp.get(3)]).toEqual([ESTABLISHED, 5, undefined]);
    expect([tcp.get(4), tcp.get(5)]).toEqual([Buffer.of(9, 9), Buffer.of(8, 8)]);
    expect([made.get(CTA.HELP), made.get(CTA.ID)]).toEqual([undefined, undefined]);
  });

  it('is named by its id, or by its addresses alone', () => {
    const named = (anyId: boolean) => {
      const out = new MessageWriter().begin(0, 0, { family: 2, sequence: 1 });
      writeIdentity(out, connection(PLAIN), anyId);
      const [message] = messages(out.end().bytes());
      return Attributes.ofMessage(message as NonNullable<typeof message>);
    };
    expect([named(false).u32(CTA.ID), named(true).get(CTA.ID)]).toEqual([99, undefined]);
    expect(named(true).u16(CTA.ZONE)).toBe(3);
  });

  it.each([
    ['TCP in the middle of its life', PLAIN, true],
    ['UDP that was answered', { ...PLAIN, tcpState: null }, true],
    ['TCP that is not established', { ...PLAIN, tcpState: 1 }, false],
    ['one without an answer', { ...PLAIN, status: ASSURED }, false],
    ['one that has a helper', { ...PLAIN, more: (out: MessageWriter) => out.nest(CTA.HELP, () => out.string(HELP_NAME, 'ftp')) }, false],
    [
      'the child of another',
      { ...PLAIN, more: (out: MessageWriter) => tuple(out, CTA.TUPLE_MASTER, { source: PLAIN.from, destination: PLAIN.to }) },
      false,
    ],
  ])('%s: %s', (_what, one, can) => {
    expect(isReattachable(connection(one))).toBe(can);
  });

  it('is within a network of its own family', () => {
    const address = Buffer.of(10, 0, 0, 1);
    const within = ['10.0.0.0/8', '10.0.0.1', '192.0.2.0/24', '::/0'].map((text) => isWithin(address, parseNetwork(text, 'x')));
    expect(within).toEqual([true, true, false, false]);
    expect(isWithin(address, null)).toBe(true);
    expect(isWithin(Buffer.alloc(16), parseNetwork('::/0', 'x'))).toBe(true);
  });
});

describe('errorOf', () => {
  it('is the errno of an answer, 0 for an acknowledgement', () => {
    const answer = (code: number) => {
      const payload = Buffer.alloc(20);
      payload.writeInt32LE(code, 0);
      return { type: 2, flags: 0, sequence: 1, family: 0, payload };
    };
    expect(errorOf(answer(-17))).toBe(17);
    expect(errorOf(answer(0)) === 0).toBe(true);
  });
});
