import ipaddr from 'ipaddr.js';
import type { Expectation } from '../../contract/expectation.ts';
import { type Network, parseNetwork } from '../../model/address.ts';
import type { Family } from '../../model/catalogue.ts';
import type { AttachSelector, LiveChange, Reach, StripSelector } from '../interface.ts';
import * as libc from './libc.ts';
import {
  Attributes,
  type Message,
  MessageWriter,
  NFNL_SUBSYS_CTNETLINK,
  NFNL_SUBSYS_CTNETLINK_EXP,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REQUEST,
} from './netlink.ts';
import type { NetlinkSocket } from './netlink-socket.ts';
import { L4_NUMBER } from './nft-constants.ts';
import { CTA, HELP_NAME, IP, isReattachable, isWithin, PROTO, readTuple, TUPLE, type Tuple, writeAnew, writeIdentity } from './reattach.ts';

/** Numbers of linux/netfilter/nfnetlink_conntrack.h and nf_conntrack_common.h. */
const MSG = { CT_NEW: 0, CT_GET: 1, CT_DELETE: 2, EXP_NEW: 0, EXP_GET: 1, EXP_DELETE: 2 } as const;
const EXPECT = { MASTER: 1, TUPLE: 2, HELP_NAME: 6 } as const;
/** IPS_HELPER: a rule assigned the helper (nf_conntrack_common.h). */
const STATUS_HELPER = 1 << 13;
/** NFNLGRP_CONNTRACK_EXP_NEW and _DESTROY. */
export const EXPECTATION_GROUPS = [4, 6] as const;

interface Found {
  readonly family: number;
  readonly attributes: Attributes;
}

/** Packets that come in between make entries of their own; after so many tries, packets come in too fast. */
const ATTACH_ATTEMPTS = 5;

/** Large enough for what the kernel puts into one part of a dump. */
const BUFFER = 64 * 1024;

/** Reads and changes the connection tracking table of one namespace, through a socket of its own. */
export class Conntrack {
  readonly #socket: NetlinkSocket;
  readonly #buffer = Buffer.alloc(BUFFER);
  readonly #out = new MessageWriter();
  #queue: Promise<unknown> = Promise.resolve();

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /**
   * Takes helpers off live connections; the kernel ends their expectations with it (`ctnetlink_change_helper`). Or gives them
   * one, see reattach.ts. The walk through the table runs on a pool thread.
   * @returns how many connections were changed
   */
  change(change: LiveChange): Promise<number> {
    return this.#alone(() => (change.action === 'strip' ? this.#strip(change.selectors) : this.#attach(change.selectors)));
  }

  expectations(): Promise<Expectation[]> {
    return this.#alone(() => this.#expectations());
  }

  /** After what is under way. */
  async close(closeFd: (fd: number) => void): Promise<void> {
    await this.#queue;
    closeFd(this.#socket.fd);
  }

  /** A socket has one dump at a time, and its answers belong to the caller that asked. */
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
    const wanted = new Map(
      selectors.map(({ protocol, port, type, except }) => [`${L4_NUMBER[protocol]}/${port}/${type}`, except.map(parseReach)]),
    );
    const found: Found[] = [];
    await this.#each(onlyWithHelper, ({ family }, attributes) => {
      const original = attributes.nested(CTA.TUPLE_ORIG);
      const tuple = readTuple(original);
      const type = attributes.nested(CTA.HELP).string(HELP_NAME);
      const except = wanted.get(`${original.nested(TUPLE.PROTO).u8(PROTO.NUM)}/${tuple.destinationPort}/${type}`);
      if (except && !except.some((reach) => isReached(tuple, family, reach))) found.push({ family, attributes });
    });
    return found.filter(({ family, attributes }) => this.#removeHelper(family, attributes)).length;
  }

  async #attach(selectors: readonly AttachSelector[]): Promise<number> {
    const wanted = selectors.map((selector) => ({ ...selector, reach: parseReach(selector) }));
    const found: (Found & { type: string })[] = [];
    await this.#each(
      () => undefined,
      (message, attributes) => {
        if (!isReattachable(attributes)) return;
        const original = attributes.nested(CTA.TUPLE_ORIG);
        const tuple = readTuple(original);
        const protocol = original.nested(TUPLE.PROTO).u8(PROTO.NUM);
        const match = wanted.find(
          (selector) =>
            L4_NUMBER[selector.protocol] === protocol &&
            selector.port === tuple.destinationPort &&
            isReached(tuple, message.family, selector.reach),
        );
        if (match) found.push({ family: message.family, attributes, type: match.type });
      },
    );
    return found.filter(({ type, ...connection }) => this.#makeAnew(connection, type)).length;
  }

  /**
   * Deletes and creates in one send, so that hardly a packet comes in between; one that does makes an entry of its own, which
   * goes too. Where the kernel does not take the helper, the connection is made anew without.
   * @returns false where the connection ended meanwhile, or did not get the helper
   */
  #makeAnew(connection: Found, type: string): boolean {
    for (let attempt = 0; attempt < ATTACH_ATTEMPTS; attempt++) {
      const errors = this.#replace(connection, { helper: type, anyId: attempt > 0 });
      if (errors.create === 0) return true;
      if (errors.create === libc.EEXIST) continue;
      if (errors.remove === 0) this.#replace(connection, { helper: null, anyId: true });
      return false;
    }
    return false;
  }

  #replace(
    { family, attributes }: Found,
    { helper, anyId }: { helper: string | null; anyId: boolean },
  ): { remove: number; create: number } {
    const sequences = [this.#socket.nextSequence(), this.#socket.nextSequence()] as const;
    const begin = (message: number, flags: number, sequence: number) =>
      this.#out.begin((NFNL_SUBSYS_CTNETLINK << 8) | message, NLM_F_REQUEST | NLM_F_ACK | flags, { family, sequence });
    this.#out.reset();
    begin(MSG.CT_DELETE, 0, sequences[0]);
    writeIdentity(this.#out, attributes, anyId);
    this.#out.end();
    begin(MSG.CT_NEW, NLM_F_CREATE | NLM_F_EXCL, sequences[1]);
    writeAnew(this.#out, attributes, helper);
    this.#out.end();
    const errors = this.#socket.errors(this.#out.bytes(), this.#buffer);
    return { remove: errors.get(sequences[0]) ?? 0, create: errors.get(sequences[1]) ?? 0 };
  }

  async #each(body: (out: MessageWriter) => void, each: (message: Message, attributes: Attributes) => void): Promise<void> {
    await this.#socket.dumpLater(Buffer.from(this.#request('ct', MSG.CT_GET, NLM_F_DUMP, body)), this.#buffer, (message) =>
      each(message, Attributes.ofMessage({ ...message, payload: Buffer.from(message.payload) })),
    );
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

interface ParsedReach {
  readonly families: readonly Family[];
  readonly source: Network | null;
  readonly destination: Network | null;
}

function parseReach({ families, source, destination }: Reach): ParsedReach {
  const parse = (network: string | null) => (network === null ? null : parseNetwork(network, 'network'));
  return { families, source: parse(source), destination: parse(destination) };
}

function isReached({ source, destination }: Tuple, family: number, reach: ParsedReach): boolean {
  return (
    reach.families.includes(family === libc.AF_INET6 ? 'ipv6' : 'ipv4') &&
    isWithin(source, reach.source) &&
    isWithin(destination, reach.destination)
  );
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

/** Whether an answer says that the entry is no more (ENOENT): it ended between the dump and the change. */
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
