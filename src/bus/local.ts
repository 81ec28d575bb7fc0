import { rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Reader } from '../contract/reader.ts';
import { type ErrorData, errorFromData, errorToData, PinholeError } from '../model/errors.ts';
import type { Logger } from '../ports/logger.ts';
import { encodeFrame, FrameDecoder } from '../sockets/frames.ts';
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
const MAX_RETRY_MS = 1_000;

/** One connection, whichever side opened it: sends frames, correlates replies, runs handlers. */
class Peer {
  readonly socket: Socket;
  readonly topics = new Set<string>();
  readonly #pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void; timer: NodeJS.Timeout }>();
  readonly #handlers: ReadonlyMap<string, Handler>;
  readonly #logger: Logger;
  #nextId = 1;

  constructor(socket: Socket, handlers: ReadonlyMap<string, Handler>, logger: Logger) {
    this.socket = socket;
    this.#handlers = handlers;
    this.#logger = logger;
    const decoder = new FrameDecoder();
    socket.on('data', (chunk) => {
      try {
        for (const message of decoder.push(chunk)) this.#onFrame(readFrame(message));
      } catch (error) {
        logger.warn({ err: error }, 'a peer on the bus sent no message; closing its connection');
        socket.destroy();
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#failPending());
  }

  send(frame: Frame): void {
    if (this.socket.destroyed) return;
    if (this.socket.writableLength > MAX_BACKLOG) {
      this.socket.destroy(new Error('a peer on the bus does not read'));
      return;
    }
    this.socket.write(encodeFrame(frame));
  }

  call(topic: string, method: string, args: Arguments, timeoutMs: number): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new PinholeError('timeout', `'${method}' to ${topic} was not answered in ${timeoutMs} ms`));
      }, timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
      this.send({ kind: 'call', id, topic, method, args });
    });
  }

  #failPending(): void {
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new PinholeError('unreachable', 'the bus went away'));
    }
    this.#pending.clear();
  }

  #onFrame(frame: Frame): void {
    switch (frame.kind) {
      case 'serve':
        if (this.topics.size < MAX_TOPICS) this.topics.add(frame.topic);
        return;
      case 'cast':
        void this.#handle(frame).catch((error) => this.#logger.warn({ err: error, method: frame.method }, 'a message from the bus failed'));
        return;
      case 'call':
        void this.#handle(frame).then(
          (result) => this.send({ kind: 'reply', id: frame.id, result: result ?? null }),
          (error) => this.send({ kind: 'reply', id: frame.id, error: errorToData(error) }),
        );
        return;
      case 'reply':
        this.#onReply(frame);
    }
  }

  async #handle({ topic, method, args }: { topic: string; method: string; args: Arguments }): Promise<unknown> {
    const handler = this.#handlers.get(topic);
    if (!handler) throw new PinholeError('unreachable', `nobody serves ${topic} here`);
    return handler(method, args, TRUSTED);
  }

  #onReply({ id, result, error }: Extract<Frame, { kind: 'reply' }>): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    if (error) pending.reject(errorFromData(error));
    else pending.resolve(result);
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
  /** Whoever sends what cannot be read loses the connection. */
  readonly refused = 0;
  readonly #handlers = new Map<string, Handler>();
  readonly #peers = new Set<Peer>();
  readonly #server: Server;
  readonly #logger: Logger;
  readonly #linkListeners: ((up: boolean) => void)[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
    this.#server = createServer((socket) => this.#onClient(socket));
  }

  /** Takes the place of a socket that a server before left. */
  async listen(path: string): Promise<void> {
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, () => resolve());
    });
    for (const listener of this.#linkListeners) listener(true);
  }

  async cast(topic: string, method: string, args: Arguments): Promise<void> {
    for (const peer of this.#peers) if (peer.topics.has(topic)) peer.send({ kind: 'cast', topic, method, args });
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
    for (const peer of this.#peers) peer.socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #onClient(socket: Socket): void {
    if (this.#peers.size >= MAX_CLIENTS) {
      socket.destroy();
      return;
    }
    const peer = new Peer(socket, this.#handlers, this.#logger);
    this.#peers.add(peer);
    socket.on('close', () => this.#peers.delete(peer));
  }
}

/** An agent's end: connects, and again whenever the server comes back, with jitter. */
export class LocalBusClient implements Bus {
  readonly refused = 0;
  readonly #path: string;
  readonly #logger: Logger;
  readonly #handlers = new Map<string, Handler>();
  readonly #linkListeners: ((up: boolean) => void)[] = [];
  #peer: Peer | null = null;
  #retryMs = 10;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(path: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
    setImmediate(() => this.#connect());
  }

  async cast(topic: string, method: string, args: Arguments): Promise<void> {
    if (!this.#peer) throw new PinholeError('unreachable', 'the server is not there');
    this.#peer.send({ kind: 'cast', topic, method, args });
  }

  async call(topic: string, method: string, args: Arguments, timeoutMs = CALL_TIMEOUT_MS): Promise<unknown> {
    if (!this.#peer) throw new PinholeError('unreachable', 'the server is not there');
    return this.#peer.call(topic, method, args, timeoutMs);
  }

  serve(topic: string, handler: Handler): void {
    this.#handlers.set(topic, handler);
    this.#peer?.send({ kind: 'serve', topic });
  }

  onLink(listener: (up: boolean) => void): void {
    this.#linkListeners.push(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    this.#peer?.socket.destroy();
    this.#peer = null;
  }

  #connect(): void {
    if (this.#closed) return;
    const socket = connect(this.#path);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#onClose());
    socket.on('connect', () => {
      this.#retryMs = 10;
      this.#peer = new Peer(socket, this.#handlers, this.#logger);
      for (const topic of this.#handlers.keys()) this.#peer.send({ kind: 'serve', topic });
      for (const listener of this.#linkListeners) listener(true);
    });
  }

  #onClose(): void {
    const wasUp = this.#peer !== null;
    this.#peer = null;
    if (this.#closed) return;
    if (wasUp) for (const listener of this.#linkListeners) listener(false);
    this.#timer = setTimeout(() => this.#connect(), this.#retryMs * (0.5 + Math.random()));
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }
}
