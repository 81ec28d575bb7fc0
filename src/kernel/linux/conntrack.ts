import ipaddr from 'ipaddr.js';
import type { Expectation } from '../../model/status.ts';
import type { StripSelector } from '../interface.ts';
import * as libc from './libc.ts';
import {
  Attributes,
  type Message,
  MessageWriter,
  NFNL_SUBSYS_CTNETLINK,
  NFNL_SUBSYS_CTNETLINK_EXP,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_REQUEST,
} from './netlink.ts';
import type { NetlinkSocket } from './netns-socket.ts';
import { L4_NUMBER } from './nft-constants.ts';

/** Numbers of linux/netfilter/nfnetlink_conntrack.h and nf_conntrack_common.h. */
const MSG = { CT_NEW: 0, CT_GET: 1, EXP_NEW: 0, EXP_GET: 1, EXP_DELETE: 2 } as const;
const CTA = { TUPLE_ORIG: 1, STATUS: 3, HELP: 5, ID: 12, ZONE: 18, STATUS_MASK: 26 } as const;
const HELP_NAME = 1;
const TUPLE = { IP: 1, PROTO: 2 } as const;
const IP = { V4_SRC: 1, V4_DST: 2, V6_SRC: 3, V6_DST: 4 } as const;
const PROTO = { NUM: 1, SRC_PORT: 2, DST_PORT: 3 } as const;
const EXPECT = { MASTER: 1, TUPLE: 2, HELP_NAME: 6 } as const;
/** IPS_HELPER: a rule assigned the helper (nf_conntrack_common.h). */
const STATUS_HELPER = 1 << 13;
/** NFNLGRP_CONNTRACK_EXP_NEW and _DESTROY. */
export const EXPECTATION_GROUPS = [4, 6] as const;

/** Large enough for what the kernel puts into one part of a dump. */
const BUFFER = 64 * 1024;

/** Reads and changes the connection tracking table of one namespace, through a socket that nobody else uses. */
export class Conntrack {
  readonly #socket: NetlinkSocket;
  readonly #buffer = Buffer.alloc(BUFFER);
  readonly #out = new MessageWriter();
  #queue: Promise<unknown> = Promise.resolve();

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /**
   * Takes the helper off live connections; the kernel ends their expectations with it (`ctnetlink_change_helper`). The walk
   * through the table runs on a pool thread.
   * @returns how many connections lost one
   */
  strip(selectors: readonly StripSelector[]): Promise<number> {
    return this.#alone(() => this.#strip(selectors));
  }

  expectations(): Promise<Expectation[]> {
    return this.#alone(() => this.#expectations());
  }

  /** After what is under way. */
  async close(closeFd: (fd: number) => void): Promise<void> {
    await this.#queue;
    closeFd(this.#socket.fd);
  }

  /** A socket has one dump at a time, and its answers are read by whoever asked. */
  #alone<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  #expectations(): Expectation[] {
    const found: Expectation[] = [];
    const request = this.#request('exp', MSG.EXP_GET, NLM_F_DUMP, () => undefined);
    this.#socket.dump(request, this.#buffer, (message) => {
      const expectation = decodeExpectation(message);
      if (expectation) found.push(expectation);
    });
    return found;
  }

  async #strip(selectors: readonly StripSelector[]): Promise<number> {
    const wanted = new Set(selectors.map(({ protocol, port, type }) => `${L4_NUMBER[protocol]}/${port}/${type}`));
    const found: { family: number; attributes: Attributes }[] = [];
    await this.#socket.dumpLater(Buffer.from(this.#request('ct', MSG.CT_GET, NLM_F_DUMP, onlyWithHelper)), this.#buffer, (message) => {
      const attributes = Attributes.ofMessage({ ...message, payload: Buffer.from(message.payload) });
      const proto = attributes.nested(CTA.TUPLE_ORIG).nested(TUPLE.PROTO);
      const key = `${proto.u8(PROTO.NUM)}/${proto.u16(PROTO.DST_PORT)}/${attributes.nested(CTA.HELP).string(HELP_NAME)}`;
      if (wanted.has(key)) found.push({ family: message.family, attributes });
    });
    return found.filter(({ family, attributes }) => this.#removeHelper(family, attributes)).length;
  }

  /** @returns false where the connection ended meanwhile */
  #removeHelper(family: number, connection: Attributes): boolean {
    const request = this.#request(
      'ct',
      MSG.CT_NEW,
      NLM_F_ACK,
      (out) => {
        for (const type of [CTA.TUPLE_ORIG, CTA.ZONE]) {
          const value = connection.get(type);
          if (value) out.attribute(type === CTA.ZONE ? type : type | 0x8000, value);
        }
        out.nest(CTA.HELP, () => out.string(HELP_NAME, ''));
      },
      family,
    );
    const failure = this.#socket.transact(request, this.#buffer);
    if (failure && failure.errno !== libc.ENOENT) throw libc.systemError('taking a helper off a connection', failure.errno);
    return !failure;
  }

  #request(subsystem: 'ct' | 'exp', message: number, flags: number, body: (out: MessageWriter) => void, family = 0): Buffer {
    const number = subsystem === 'ct' ? NFNL_SUBSYS_CTNETLINK : NFNL_SUBSYS_CTNETLINK_EXP;
    this.#out.reset().begin((number << 8) | message, NLM_F_REQUEST | flags, { family, sequence: this.#socket.nextSequence() });
    body(this.#out);
    return this.#out.end().bytes();
  }
}

function onlyWithHelper(out: MessageWriter): void {
  out.u32(CTA.STATUS, STATUS_HELPER).u32(CTA.STATUS_MASK, STATUS_HELPER);
}

/** An expectation of an event or a dump. @returns null for any other message */
export function decodeExpectation(message: Message): Expectation | null {
  if (message.type >> 8 !== NFNL_SUBSYS_CTNETLINK_EXP) return null;
  const attributes = Attributes.ofMessage(message);
  const tuple = decodeTuple(attributes.nested(EXPECT.TUPLE));
  const master = decodeTuple(attributes.nested(EXPECT.MASTER));
  return {
    helper: attributes.string(EXPECT.HELP_NAME),
    protocol: tuple.protocol,
    source: tuple.source,
    destination: tuple.destination,
    port: tuple.port,
    master: { source: master.source, destination: master.destination, port: master.port },
  };
}

export function isGone(message: Message): boolean {
  return (message.type & 0xff) === MSG.EXP_DELETE;
}

const PROTOCOL_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(L4_NUMBER).map(([name, number]) => [number, name]));

function decodeTuple(tuple: Attributes): { protocol: string; source: string; destination: string; port: number } {
  const ip = tuple.nested(TUPLE.IP);
  const proto = tuple.nested(TUPLE.PROTO);
  const number = proto.u8(PROTO.NUM);
  return {
    protocol: PROTOCOL_NAMES.get(number) ?? String(number),
    source: addressText(ip.get(IP.V4_SRC) ?? ip.get(IP.V6_SRC)),
    destination: addressText(ip.get(IP.V4_DST) ?? ip.get(IP.V6_DST)),
    port: proto.u16(PROTO.DST_PORT),
  };
}

function addressText(bytes: Buffer | undefined): string {
  if (bytes?.length !== 4 && bytes?.length !== 16) return '';
  const address = ipaddr.fromByteArray([...bytes]);
  return address.kind() === 'ipv6' ? (address as ipaddr.IPv6).toRFC5952String() : address.toString();
}
