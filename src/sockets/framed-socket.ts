import type { Socket } from 'node:net';
import type { Logger } from '../ports/logger.ts';
import { encodeFrame, FrameDecoder, MAX_FRAME } from './frames.ts';

export interface FramedOptions {
  /** What the other end is, for the log: `a peer on the bus`. */
  readonly name: string;
  readonly logger: Logger;
  /** Bytes of the largest message that is taken; {@link MAX_FRAME} unless it is told. */
  readonly maxReceived?: number;
  /** Bytes of the largest message that is sent; {@link MAX_FRAME} unless it is told. */
  readonly maxSent?: number;
  /** Bytes that the other end has not read; one that has more to read and is sent another message is cut off. */
  readonly maxBacklog: number;
  /** A message came. What this throws is the other end's fault: its connection is closed. */
  readonly onMessage: (message: unknown) => void;
  readonly onClose: () => void;
}

/** A connected stream socket that carries messages. An end that breaks the framing, or does not read, loses the connection. */
export class FramedSocket {
  readonly #socket: Socket;
  readonly #options: FramedOptions;
  readonly #maxSent: number;

  constructor(socket: Socket, options: FramedOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#maxSent = options.maxSent ?? MAX_FRAME;
    const decoder = new FrameDecoder(options.maxReceived);
    socket.on('data', (chunk) => this.#receive(decoder, chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => options.onClose());
  }

  /** Bytes that wait for the other end to read them. */
  get backlog(): number {
    return this.#socket.writableLength;
  }

  /** Sends a message, or nothing once the connection is closed. @throws PinholeError `too-large` for one over the limit */
  send(message: unknown): void {
    this.sendFrame(encodeFrame(message, this.#maxSent));
  }

  /** Sends what {@link encodeFrame} made, which many sockets may share. */
  sendFrame(frame: Buffer): void {
    if (this.#socket.destroyed) return;
    if (this.backlog > this.#options.maxBacklog) {
      this.#options.logger.warn({ backlog: this.backlog }, `${this.#options.name} does not read; closing its connection`);
      this.close();
      return;
    }
    this.#socket.write(frame);
  }

  /**
   * Answers a call. An answer that cannot be sent, because it is over the limit, becomes one that says so: its caller must not wait in
   * vain, and a large answer must not end this process.
   * @param failed makes the answer, a short one, that carries an error
   */
  reply(answer: unknown, failed: (error: unknown) => unknown): void {
    let frame: Buffer;
    try {
      frame = encodeFrame(answer, this.#maxSent);
    } catch (error) {
      frame = encodeFrame(failed(error), this.#maxSent);
    }
    this.sendFrame(frame);
  }

  /** Closes the connection at once; what was not read is lost. */
  close(): void {
    this.#socket.destroy();
  }

  #receive(decoder: FrameDecoder, chunk: Buffer): void {
    try {
      // pinhole-review: ignore unbounded-received-list -- a socket's chunk is at most 64 KiB, so it ends a bounded number of frames
      for (const message of decoder.push(chunk)) this.#options.onMessage(message);
    } catch (error) {
      this.#options.logger.warn({ err: error }, `${this.#options.name} sent an invalid frame; closing its connection`);
      this.close();
    }
  }
}
