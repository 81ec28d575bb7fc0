import * as libc from '../../../src/kernel/linux/libc.ts';
import {
  MessageWriter,
  NFNL_SUBSYS_CTNETLINK,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REQUEST,
} from '../../../src/kernel/linux/netlink.ts';
import { NetlinkSocket } from '../../../src/kernel/linux/netlink-socket.ts';
import { L4_NUMBER } from '../../../src/kernel/linux/nft-constants.ts';
import { CTA, HELP_NAME, IP, PROTO, TUPLE } from '../../../src/kernel/linux/reattach.ts';
import { bytesOf, type Header } from './frames.ts';

type Ends = Pick<Header, 'family' | 'source' | 'destination' | 'sport' | 'dport'> & { readonly protocol: 'tcp' | 'udp' };

/** A connection as it is put into the kernel's table. */
export interface Planted extends Ends {
  /** Whether an answer was seen. */
  readonly answered: boolean;
  /** The connection whose helper expected this one, and the helper; null: none. */
  readonly master: { readonly ends: Ends; readonly helper: string | null } | null;
  readonly mark: number;
}

/** linux/netfilter/nfnetlink_conntrack.h and nf_conntrack_common.h. */
const MSG = { NEW: 0, DELETE: 2 } as const;
const STATUS = { SEEN_REPLY: 1 << 1, ASSURED: 1 << 2, CONFIRMED: 1 << 3 } as const;
const PROTOINFO = { TCP: 1, STATE: 1, FLAGS_ORIGINAL: 4, FLAGS_REPLY: 5, ESTABLISHED: 3, LIBERAL: 0x08 } as const;
const AF_INET = 2;
const LIFETIME_S = 600;

/** The connection table of a namespace, through ctnetlink. */
export class Connections {
  readonly #socket: NetlinkSocket;
  readonly #out = new MessageWriter();
  readonly #answer = Buffer.alloc(64 * 1024);

  constructor(system: libc.Libc, fd: number) {
    this.#socket = new NetlinkSocket(system, fd);
  }

  /** Forgets all connections. */
  flush(): void {
    this.#send(MSG.DELETE, { flags: 0, family: 0 }, () => undefined);
  }

  /** Makes a connection. @throws Error with the errno */
  plant({ answered, master, mark, ...ends }: Planted): void {
    if (master) this.#make(master.ends, { answered: true, helper: master.helper, mark: 0, master: null });
    this.#make(ends, { answered, helper: null, mark, master: master?.ends ?? null });
  }

  #make(ends: Ends, one: { answered: boolean; helper: string | null; mark: number; master: Ends | null }): void {
    const family = ends.family === 'ipv4' ? AF_INET : libc.AF_INET6;
    this.#send(MSG.NEW, { flags: NLM_F_CREATE | NLM_F_EXCL, family }, (out) => {
      out.nest(CTA.TUPLE_ORIG, () => writeTuple(out, ends));
      out.nest(CTA.TUPLE_REPLY, () => writeTuple(out, reversed(ends)));
      out.u32(CTA.TIMEOUT, LIFETIME_S).u32(CTA.MARK, one.mark);
      out.u32(CTA.STATUS, STATUS.CONFIRMED | (one.answered ? STATUS.SEEN_REPLY | STATUS.ASSURED : 0));
      if (ends.protocol === 'tcp' && one.answered) out.nest(CTA.PROTOINFO, () => writeEstablished(out));
      const { helper, master } = one;
      if (helper !== null) out.nest(CTA.HELP, () => void out.string(HELP_NAME, helper));
      if (master) out.nest(CTA.TUPLE_MASTER, () => writeTuple(out, master));
    });
  }

  #send(message: number, { flags, family }: { flags: number; family: number }, body: (out: MessageWriter) => void): void {
    const type = (NFNL_SUBSYS_CTNETLINK << 8) | message;
    this.#out.reset().begin(type, NLM_F_REQUEST | NLM_F_ACK | flags, { family, sequence: this.#socket.nextSequence() });
    body(this.#out);
    const failure = this.#socket.transact(this.#out.end().bytes(), this.#answer);
    if (failure) throw libc.systemError('the connection table', failure.errno);
  }
}

function writeTuple(out: MessageWriter, { family, protocol, source, destination, sport, dport }: Ends): void {
  const [from, to] = family === 'ipv4' ? [IP.V4_SRC, IP.V4_DST] : [IP.V6_SRC, IP.V6_DST];
  out.nest(TUPLE.IP, () => void out.attribute(from, bytesOf(source)).attribute(to, bytesOf(destination)));
  out.nest(TUPLE.PROTO, () => {
    out.u8(PROTO.NUM, L4_NUMBER[protocol]);
    out.u16(PROTO.SRC_PORT, sport ?? 0).u16(PROTO.DST_PORT, dport ?? 0);
  });
}

/** No window is checked: the test's packets have made-up sequence numbers. */
function writeEstablished(out: MessageWriter): void {
  const flags = Buffer.from([PROTOINFO.LIBERAL, PROTOINFO.LIBERAL]);
  out.nest(PROTOINFO.TCP, () => {
    out.u8(PROTOINFO.STATE, PROTOINFO.ESTABLISHED);
    out.attribute(PROTOINFO.FLAGS_ORIGINAL, flags).attribute(PROTOINFO.FLAGS_REPLY, flags);
  });
}

/** The same connection as the answering end has it. */
export function reversed<T extends Omit<Ends, 'protocol'>>(ends: T): T {
  return { ...ends, source: ends.destination, destination: ends.source, sport: ends.dport, dport: ends.sport };
}
