import { createServer, type Server, type Socket } from 'node:net';
import { Reader } from '../contract/reader.ts';
import { type ErrorData, errorFromData, errorToData, PinholeError } from '../model/errors.ts';
import type { Ports } from '../ports/ports.ts';
import type { Backoff } from '../ports/retry.ts';
import { claimSocket } from '../sockets/claim.ts';
import { Connector } from '../sockets/connector.ts';
import { FramedSocket } from '../sockets/framed-socket.ts';
import { encodeFrame } from '../sockets/frames.ts';
import { PendingCalls } from '../sockets/pending-calls.ts';
import { type Arguments, type Bus, CALL_TIMEOUT_MS, type Handler } from './interface.ts';

/**
 * The embedded bus: the server listens on a unix socket, agents connect. Each may die and come back by itself. The socket's
 * mode and group say who may connect.
 */
type Frame =
  | { readonly kind: 'serve'; readonly topic: string }
  | { readonly kind: 'cast'; readonly topic: string; readonly method: string; readonly args: Arguments }
  | { readonly kind: 'call'; readonly id: number; readonly topic: string; readonly method: string; readonly args: Arguments }
  | { readonly kind: 'reply'; readonly id: number; readonly result?: unknown; readonly error?: ErrorData };

/** Who may open the socket may say anything. */
const TRUSTED = { user: null } as const;

const MAX_BACKLOG = 32 * 1024 * 1024;
const MAX_CLIENTS = 64;
const MAX_TOPICS = 64;
const RECONNECT: Backoff = { firstMs: 10, maxMs: 1_000 };

/** One connection, whichever side opened it: sends frames, correlates replies, runs handlers. */
class Peer {
  readonly topics = new Set<string>();
  readonly #socket: FramedSocket;
  readonly #pending: PendingCalls<number>;
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #ports: Ports;
  #nextId = 1;

  constructor(socket: Socket, handlers: ReadonlyMap<string, Handler>, ports: Ports) {
    this.#handlers = handlers;
    this.#ports = ports;
    this.#pending = new PendingCalls(ports.clock);
    this.#socket = new FramedSocket(socket, {
      name: 'a peer on the bus',
      logger: ports.logger,
      maxBacklog: MAX_BACKLOG,
      onMessage: (message) => this.#onFrame(readFrame(message)),
      onClose: () => this.#pending.rejectAll(() => new PinholeError('unreachable', 'the bus went away')),
    });
  }

  send(frame: Frame): void {
    this.#socket.send(frame);
  }

  sendEncoded(frame: Buffer): void {
    this.#socket.sendFrame(frame);
  }

  call(topic: string, method: string, args: Arguments, timeoutMs: number): Promise<unknown> {
    const id = this.#nextId++;
    const about = { what: `'${method}' to ${topic}`, timeoutMs };
    return this.#pending.call(id, about, () => this.send({ kind: 'call', id, topic, method, args }));
  }

  close(): void {
    this.#socket.close();
  }

  #onFrame(frame: Frame): void {
    switch (frame.kind) {
      case 'serve':
        if (this.topics.size < MAX_TOPICS) this.topics.add(frame.topic);
        return;
      case 'cast':
        void this.#handle(frame).catch((error) =>
          this.#ports.logger.warn({ err: error, method: frame.method }, 'a message from the bus failed'),
        );
        return;
      case 'call':
        void this.#answer(frame);
        return;
      case 'reply':
        if (frame.error) this.#pending.reject(frame.id, errorFromData(frame.error));
        else this.#pending.resolve(frame.id, frame.result);
    }
  }

  async #answer(call: Extract<Frame, { kind: 'call' }>): Promise<void> {
    const failed = (error: unknown): Frame => ({ kind: 'reply', id: call.id, error: errorToData(error) });
    const answer = await this.#handle(call).then((result): Frame => ({ kind: 'reply', id: call.id, result: result ?? null }), failed);
    this.#socket.reply(answer, failed);
  }

  async #handle({ topic, method, args }: { topic: string; method: string; args: Arguments }): Promise<unknown> {
    const handler = this.#handlers.get(topic);
    if (!handler) throw new PinholeError('unreachable', `${topic} is not served here`);
    return handler(method, args, TRUSTED);
  }
}

function readFrame(message: unknown): Frame {
  const any = new Reader(message, 'frame').object('kind', 'id', 'topic', 'method', 'args', 'result', 'error');
  const kind = any.kind.oneOf('serve', 'cast', 'call', 'reply');
  if (kind !== 'reply') any.topic.string(300);
  if (kind === 'cast' || kind === 'call') any.method.string(64);
  if (kind === 'call' || kind === 'reply') any.id.integer(0, Number.MAX_SAFE_INTEGER);
  return message as Frame;
}

/** The server's end. A topic that several agents serve goes to all of them as a cast, to the latest as a call. */
export class LocalBusServer implements Bus {
  /** A peer that sends what cannot be read loses its connection: nothing is refused message by message. */
  readonly refused = 0;
  readonly #handlers = new Map<string, Handler>();
  readonly #peers = new Set<Peer>();
  readonly #server: Server;
  readonly #ports: Ports;
  readonly #linkListeners: ((up: boolean) => void)[] = [];

  constructor(ports: Ports) {
    this.#ports = ports;
    this.#server = createServer((socket) => this.#onClient(socket));
  }

  /**
   * Takes the place of a socket that a server before left. The socket is its folder's owner's and group's.
   * @throws InvalidInput if another process listens there
   */
  async listen(path: string): Promise<void> {
    await claimSocket(path, 'run_dir');
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      const umask = process.umask(0o117);
      this.#server.listen(path, () => resolve());
      process.umask(umask);
    });
    for (const listener of this.#linkListeners) listener(true);
  }

  async cast(topic: string, method: string, args: Arguments): Promise<void> {
    const frame: Frame = { kind: 'cast', topic, method, args };
    const encoded = encodeFrame(frame);
    for (const peer of this.#peers) if (peer.topics.has(topic)) peer.sendEncoded(encoded);
  }

  async call(topic: string, method: string, args: Arguments, timeoutMs = CALL_TIMEOUT_MS): Promise<unknown> {
    const peer = [...this.#peers].filter(({ topics }) => topics.has(topic)).at(-1);
    if (!peer) throw new PinholeError('unreachable', `no agent serves ${topic}`);
    return peer.call(topic, method, args, timeoutMs);
  }

  serve(topic: string, handler: Handler): void {
    this.#handlers.set(topic, handler);
  }

  onLink(listener: (up: boolean) => void): void {
    this.#linkListeners.push(listener);
  }

  async close(): Promise<void> {
    for (const peer of this.#peers) peer.close();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #onClient(socket: Socket): void {
    if (this.#peers.size >= MAX_CLIENTS) {
      socket.destroy();
      return;
    }
    const peer = new Peer(socket, this.#handlers, this.#ports);
    this.#peers.add(peer);
    socket.on('close', () => this.#peers.delete(peer));
  }
}

/** An agent's end: connects, and connects again when the server comes back. */
export class LocalBusClient implements Bus {
  readonly refused = 0;
  readonly #handlers = new Map<string, Handler>();
  readonly #linkListeners: ((up: boolean) => void)[] = [];
  readonly #connector: Connector;
  #peer: Peer | null = null;

  constructor(path: string, ports: Ports) {
    const onUp = (socket: Socket) => this.#onUp(new Peer(socket, this.#handlers, ports));
    this.#connector = new Connector({ path, backoff: RECONNECT, onUp, onDown: () => this.#onDown() }, ports);
    this.#connector.start();
  }

  async cast(topic: string, method: string, args: Arguments): Promise<void> {
    this.#connected().send({ kind: 'cast', topic, method, args });
  }

  async call(topic: string, method: string, args: Arguments, timeoutMs = CALL_TIMEOUT_MS): Promise<unknown> {
    return this.#connected().call(topic, method, args, timeoutMs);
  }

  serve(topic: string, handler: Handler): void {
    this.#handlers.set(topic, handler);
    this.#peer?.send({ kind: 'serve', topic });
  }

  onLink(listener: (up: boolean) => void): void {
    this.#linkListeners.push(listener);
  }

  async close(): Promise<void> {
    this.#linkListeners.length = 0;
    this.#connector.close();
    this.#peer = null;
  }

  /** @throws PinholeError `unreachable` */
  #connected(): Peer {
    if (this.#peer) return this.#peer;
    throw new PinholeError('unreachable', 'the server is not there');
  }

  #onUp(peer: Peer): void {
    this.#peer = peer;
    for (const topic of this.#handlers.keys()) peer.send({ kind: 'serve', topic });
    for (const listener of this.#linkListeners) listener(true);
  }

  #onDown(): void {
    this.#peer = null;
    for (const listener of this.#linkListeners) listener(false);
  }
}
