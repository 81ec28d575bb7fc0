import { PinholeError } from '../model/errors.ts';

/**
 * Messages on a stream socket: a 32-bit big-endian length, then that many bytes of UTF-8 JSON. Used by the kernel
 * process's socket and by the embedded bus.
 */
export const MAX_FRAME = 32 * 1024 * 1024;

/** A message with its length before it. @param max bytes of JSON. @throws PinholeError `too-large` */
export function encodeFrame(message: unknown, max = MAX_FRAME): Buffer {
  const body = JSON.stringify(message);
  const length = Buffer.byteLength(body);
  if (length > max) throw new PinholeError('too-large', `a message of ${length} bytes is over the limit of ${max}`);
  const frame = Buffer.allocUnsafe(4 + length);
  frame.writeUInt32BE(length, 0);
  frame.write(body, 4);
  return frame;
}

/** Cuts a byte stream into messages. Bad input throws once; the connection must then be closed, for its framing is lost. */
export class FrameDecoder {
  readonly #max: number;
  #chunks: Buffer[] = [];
  #size = 0;

  constructor(max = MAX_FRAME) {
    this.#max = max;
  }

  /** @throws PinholeError `too-large` or `invalid-message` */
  push(chunk: Buffer): unknown[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    const messages: unknown[] = [];
    for (let length = this.#nextLength(); length !== null && this.#size >= 4 + length; length = this.#nextLength()) {
      const all = this.#joined();
      messages.push(parseJson(all.subarray(4, 4 + length)));
      this.#chunks = [all.subarray(4 + length)];
      this.#size -= 4 + length;
    }
    return messages;
  }

  #nextLength(): number | null {
    if (this.#size < 4) return null;
    if ((this.#chunks[0] as Buffer).length < 4) this.#joined();
    const length = (this.#chunks[0] as Buffer).readUInt32BE(0);
    if (length > this.#max) {
      throw new PinholeError('too-large', `a message of ${length} bytes is over the limit of ${this.#max}`);
    }
    return length;
  }

  #joined(): Buffer {
    const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch (error) {
    throw new PinholeError('invalid-message', 'a message is not JSON in UTF-8', { cause: error });
  }
}
