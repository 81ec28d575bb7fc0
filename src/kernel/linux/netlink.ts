/** Netlink messages as bytes (linux/netlink.h, linux/netfilter/nfnetlink.h). Pure. */
export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
export const NLM_F_DUMP_INTR = 0x10;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;
const HEADER = 16;
const NFGEN = 4;

export const NFNL_MSG_BATCH_BEGIN = 0x10;
export const NFNL_MSG_BATCH_END = 0x11;
/** Attribute of a batch's begin: the generation for which it was made (linux/netfilter/nfnetlink.h). */
export const NFNL_BATCH_GENID = 1;
export const NFNL_SUBSYS_CTNETLINK = 1;
export const NFNL_SUBSYS_CTNETLINK_EXP = 2;
export const NFNL_SUBSYS_NFTABLES = 10;

/** Builds one or several messages in a buffer that grows; reuse it through {@link reset}. */
export class MessageWriter {
  #buffer = Buffer.alloc(16 * 1024);
  #length = 0;
  #message = 0;
  readonly #nests: number[] = [];

  reset(): this {
    this.#length = 0;
    return this;
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Starts an nfnetlink message: `type` is subsystem << 8 | message. End it with {@link end}. */
  begin(type: number, flags: number, options: { family: number; sequence: number; resource?: number }): this {
    this.#reserve(HEADER + NFGEN);
    this.#message = this.#length;
    const at = this.#length;
    this.#buffer.writeUInt32LE(0, at);
    this.#buffer.writeUInt16LE(type, at + 4);
    this.#buffer.writeUInt16LE(flags, at + 6);
    this.#buffer.writeUInt32LE(options.sequence, at + 8);
    this.#buffer.writeUInt32LE(0, at + 12);
    this.#buffer.writeUInt8(options.family, at + 16);
    this.#buffer.writeUInt8(0, at + 17);
    this.#buffer.writeUInt16BE(options.resource ?? 0, at + 18);
    this.#length += HEADER + NFGEN;
    return this;
  }

  end(): this {
    this.#buffer.writeUInt32LE(this.#length - this.#message, this.#message);
    return this;
  }

  attribute(type: number, value: Uint8Array): this {
    const start = this.#attributeHeader(type, 4 + value.length);
    this.#buffer.set(value, start);
    return this;
  }

  /** A NUL-terminated string. Latin-1: every name that we send is ASCII. */
  string(type: number, value: string): this {
    const start = this.#attributeHeader(type, 5 + value.length);
    this.#buffer.write(value, start, 'latin1');
    this.#buffer[start + value.length] = 0;
    return this;
  }

  u8(type: number, value: number): this {
    const at = this.#attributeHeader(type, 5);
    this.#buffer.writeUInt8(value, at);
    return this;
  }

  u16(type: number, value: number): this {
    const at = this.#attributeHeader(type, 6);
    this.#buffer.writeUInt16BE(value, at);
    return this;
  }

  u32(type: number, value: number): this {
    const at = this.#attributeHeader(type, 8);
    this.#buffer.writeUInt32BE(value >>> 0, at);
    return this;
  }

  u64(type: number, value: number): this {
    const at = this.#attributeHeader(type, 12);
    this.#buffer.writeBigUInt64BE(BigInt(value), at);
    return this;
  }

  nest(type: number, body: () => void): this {
    this.#reserve(4);
    const at = this.#length;
    this.#nests.push(at);
    this.#buffer.writeUInt16LE(type | NLA_F_NESTED, at + 2);
    this.#length += 4;
    body();
    this.#nests.pop();
    this.#buffer.writeUInt16LE(this.#length - at, at);
    return this;
  }

  /** Makes room first: `#buffer` may be another one afterwards. */
  #attributeHeader(type: number, length: number): number {
    const padded = (length + 3) & ~3;
    this.#reserve(padded);
    const at = this.#length;
    this.#buffer.writeUInt16LE(length, at);
    this.#buffer.writeUInt16LE(type, at + 2);
    this.#buffer.fill(0, at + length, at + padded);
    this.#length += padded;
    return at + 4;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.alloc(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** First byte of nfgenmsg: the address family. */
  readonly family: number;
  /** What follows the netlink header. */
  readonly payload: Buffer;
}

/** The messages in what one recv returned. A torn tail is left out. */
export function* messages(data: Buffer): Generator<Message> {
  for (let at = 0; at + HEADER <= data.length; ) {
    const length = data.readUInt32LE(at);
    if (length < HEADER || at + length > data.length) return;
    const payload = data.subarray(at + HEADER, at + length);
    yield {
      type: data.readUInt16LE(at + 4),
      flags: data.readUInt16LE(at + 6),
      sequence: data.readUInt32LE(at + 8),
      family: payload.length > 0 ? (payload[0] as number) : 0,
      payload,
    };
    at += (length + 3) & ~3;
  }
}

/** errno of an NLMSG_ERROR message; 0 is an acknowledgement. */
export function errorOf(message: Message): number {
  return -message.payload.readInt32LE(0);
}

/** Attributes by type; of a repeated type the last. */
export class Attributes {
  readonly #at = new Map<number, Buffer>();

  constructor(data: Buffer) {
    for (const [type, value] of attributeList(data)) this.#at.set(type, value);
  }

  static ofMessage(message: Message): Attributes {
    return new Attributes(message.payload.subarray(NFGEN));
  }

  get(type: number): Buffer | undefined {
    return this.#at.get(type);
  }

  string(type: number): string {
    const value = this.#at.get(type);
    if (!value) return '';
    const nul = value.indexOf(0);
    return value.toString('latin1', 0, nul < 0 ? value.length : nul);
  }

  u8(type: number): number {
    return this.#at.get(type)?.[0] ?? 0;
  }

  u16(type: number): number {
    const value = this.#at.get(type);
    return value && value.length >= 2 ? value.readUInt16BE(0) : 0;
  }

  u32(type: number): number {
    const value = this.#at.get(type);
    return value && value.length >= 4 ? value.readUInt32BE(0) : 0;
  }

  u64(type: number): number {
    const value = this.#at.get(type);
    return value && value.length >= 8 ? Number(value.readBigUInt64BE(0)) : 0;
  }

  nested(type: number): Attributes {
    return new Attributes(this.#at.get(type) ?? Buffer.alloc(0));
  }
}

export function* attributeList(data: Buffer): Generator<[number, Buffer]> {
  for (let at = 0; at + 4 <= data.length; ) {
    const length = data.readUInt16LE(at);
    if (length < 4 || at + length > data.length) return;
    yield [data.readUInt16LE(at + 2) & NLA_TYPE_MASK, data.subarray(at + 4, at + length)];
    at += (length + 3) & ~3;
  }
}
