import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { PinholeError } from '../model/errors.ts';
import type { Clock } from '../ports/clock.ts';
import { MAX_KEPT } from './channel.ts';
import { type Endpoint, isIpv6 } from './endpoint.ts';

/** How long to wait, and by which clock. */
export interface Patience {
  readonly waitMs: number;
  readonly clock: Clock;
}

/** The client's end of a control connection, over TCP or UDP. What it carries is kept, byte for byte. */
export interface Control {
  /** All that was sent and received: text of one character a byte. */
  readonly sent: string;
  readonly received: string;
  /** The client's own address and port. */
  readonly own: Endpoint;
  /** Sends a text. Over UDP it is repeated until an answer comes. */
  say(text: string): void;
  /** Sends a text that has no answer. Over UDP it is not kept, because only the first datagram is compared. */
  sayLast(text: string): void;
  /**
   * Waits for a message that nothing has waited for yet.
   * @param find returns what was looked for in all unread text, with the number of characters that it takes; null: it is not there yet
   * @throws PinholeError `timeout` with `what`, or `unreachable` if the connection ends
   */
  hear<T>(what: string, find: (text: string) => { value: T; length: number } | null): Promise<T>;
  close(): void;
}

/** The kept text, and a wait for more of it. */
class Ear {
  readonly #patience: Patience;
  received = '';
  #read = 0;
  #ended: string | null = null;
  #onMore: () => void = () => undefined;

  constructor(patience: Patience) {
    this.#patience = patience;
  }

  add(text: string): void {
    this.received = (this.received + text).slice(0, MAX_KEPT);
    this.#onMore();
  }

  end(why: string): void {
    this.#ended ??= why;
    this.#onMore();
  }

  async hear<T>(what: string, find: (text: string) => { value: T; length: number } | null): Promise<T> {
    const late = new AbortController();
    let isLate = false;
    void this.#patience.clock.sleep(this.#patience.waitMs, late.signal).then(() => {
      isLate = true;
      this.#onMore();
    });
    try {
      for (;;) {
        const found = find(this.received.slice(this.#read));
        if (found) {
          this.#read += found.length;
          return found.value;
        }
        if (this.#ended !== null) throw new PinholeError('unreachable', `${what}: ${this.#ended}`);
        if (isLate) throw new PinholeError('timeout', `${what}: no answer in ${this.#patience.waitMs} ms`);
        await new Promise<void>((resolve) => {
          this.#onMore = resolve;
        });
      }
    } finally {
      late.abort();
    }
  }
}

/** A control connection over TCP. */
export class TcpControl implements Control {
  readonly #socket: Socket;
  readonly #ear: Ear;
  sent = '';

  private constructor(socket: Socket, patience: Patience) {
    this.#socket = socket;
    this.#ear = new Ear(patience);
    // One line a segment: a kernel's helper reads the beginning of a segment only.
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#ear.add(chunk.toString('latin1')));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#ear.end(`the connection broke (${error.code ?? error.message})`));
    socket.on('close', () => this.#ear.end('the connection was closed'));
  }

  /** Connects. @throws PinholeError `unreachable` that says why not */
  static async open(to: Endpoint, from: string, patience: Patience): Promise<TcpControl> {
    const socket = connect({ host: to.address, port: to.port, localAddress: from });
    const late = new AbortController();
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = (why: string) => reject(new PinholeError('unreachable', `no connection to tcp port ${to.port}: ${why}`));
        void patience.clock.sleep(patience.waitMs, late.signal).then(() => fail(`no answer in ${patience.waitMs} ms`));
        socket.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
        socket.once('connect', resolve);
      });
    } catch (error) {
      socket.on('error', () => undefined).destroy();
      throw error;
    } finally {
      late.abort();
    }
    return new TcpControl(socket, patience);
  }

  get received(): string {
    return this.#ear.received;
  }

  get own(): Endpoint {
    return { address: this.#socket.localAddress ?? '', port: this.#socket.localPort ?? 0 };
  }

  say(text: string): void {
    this.sent += text;
    this.#socket.write(text, 'latin1');
  }

  sayLast(text: string): void {
    this.say(text);
  }

  hear<T>(what: string, find: (text: string) => { value: T; length: number } | null): Promise<T> {
    return this.#ear.hear(what, find);
  }

  close(): void {
    this.#socket.destroySoon();
  }
}

/** Times at which a request over UDP is repeated, in parts of the wait. */
const REPEATS = [0.1, 0.3];

/** A control connection over UDP: one request, which is repeated until an answer comes. */
export class UdpControl implements Control {
  readonly #socket: UdpSocket;
  readonly #to: Endpoint;
  readonly #patience: Patience;
  readonly #ear: Ear;
  readonly #end = new AbortController();
  sent = '';

  private constructor(socket: UdpSocket, to: Endpoint, patience: Patience) {
    this.#socket = socket;
    this.#to = to;
    this.#patience = patience;
    this.#ear = new Ear(patience);
    socket.on('message', (message, peer) => {
      // A repeated request has a repeated answer, which is kept once.
      if (peer.address === to.address && peer.port === to.port && this.received === '') this.#ear.add(message.toString('latin1'));
    });
    socket.on('error', (error) => this.#ear.end(error.message));
  }

  /** Binds a port. @throws Error of the system */
  static async open(to: Endpoint, from: string, patience: Patience): Promise<UdpControl> {
    const socket = createSocket(isIpv6(from) ? 'udp6' : 'udp4');
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(0, from, resolve);
    });
    return new UdpControl(socket, to, patience);
  }

  get received(): string {
    return this.#ear.received;
  }

  get own(): Endpoint {
    const { address, port } = this.#socket.address();
    return { address, port };
  }

  say(text: string): void {
    // The reflector keeps what came first.
    if (this.sent === '') this.sent = text;
    this.#send(text);
    for (const part of REPEATS) void this.#repeat(text, this.#patience.waitMs * part);
  }

  hear<T>(what: string, find: (text: string) => { value: T; length: number } | null): Promise<T> {
    return this.#ear.hear(what, find);
  }

  sayLast(text: string): void {
    this.#send(text);
  }

  close(): void {
    this.#end.abort();
    this.#socket.close();
  }

  async #repeat(text: string, afterMs: number): Promise<void> {
    await this.#patience.clock.sleep(afterMs, this.#end.signal);
    if (!this.#end.signal.aborted && this.received === '') this.#send(text);
  }

  #send(text: string): void {
    this.#socket.send(Buffer.from(text, 'latin1'), this.#to.port, this.#to.address, () => undefined);
  }
}
