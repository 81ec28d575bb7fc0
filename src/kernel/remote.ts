import type { Socket } from 'node:net';
import type { Capabilities } from '../contract/agent.ts';
import type { Expectation } from '../contract/expectation.ts';
import { type ErrorData, errorFromData, PinholeError, type Result } from '../model/errors.ts';
import { NONE_WATCHED, type Watched } from '../model/watched.ts';
import type { Timer } from '../ports/clock.ts';
import type { Ports } from '../ports/ports.ts';
import type { Backoff } from '../ports/retry.ts';
import { Silence } from '../ports/silence.ts';
import { Connector } from '../sockets/connector.ts';
import { FramedSocket } from '../sockets/framed-socket.ts';
import { PendingCalls } from '../sockets/pending-calls.ts';
import type {
  AllRules,
  Kernel,
  KernelEvent,
  LiveChange,
  NamespaceInfo,
  Observation,
  ObserveRequest,
  TableChange,
  Version,
} from './interface.ts';
import { DEFAULT_DEADLINE_MS, type KernelRequest, MAX_ANSWER, MAX_BATCH, MAX_REQUEST, QUICK_METHODS } from './protocol.ts';

const RECONNECT: Backoff = { firstMs: 20, maxMs: 2_000 };
/** A call may take so many times as long as the process may be silent. */
const CALL_DEADLINES = 3;
/** Bytes of requests that the kernel process has not read: more than a full batch for each worker. */
const MAX_BACKLOG = 64 * 1024 * 1024;

/**
 * The kernel process, over its socket. Reconnects by itself and says so with `link` events; a call while it is away, and one
 * that was under way when it went, fails with `unreachable`: whether that one took effect is not known.
 *
 * The process is asked for a sign of life all the time. It counts as away when it was silent for the deadline, or did not answer a
 * quick call in three deadlines, and counts as back once it has answered.
 */
export class RemoteKernel implements Kernel {
  readonly #ports: Ports;
  readonly #deadlineMs: number;
  readonly #connector: Connector;
  readonly #pending: PendingCalls<number>;
  readonly #silence: Silence;
  readonly #listeners: ((event: KernelEvent) => void)[] = [];
  readonly #late: Timer;
  #socket: FramedSocket | null = null;
  #up = false;
  #nextId = 1;
  #watched = NONE_WATCHED;
  /** Why the connection is given up, where that is not the other end's doing. */
  #givenUp: string | null = null;

  /**
   * @param path of the kernel process's socket
   * @param deadlineMs milliseconds of silence after which the process counts as away
   */
  constructor(path: string, ports: Ports, deadlineMs = DEFAULT_DEADLINE_MS) {
    this.#ports = ports;
    this.#deadlineMs = deadlineMs;
    this.#pending = new PendingCalls(ports.clock);
    const silent = () => this.#giveUp('does not answer');
    this.#silence = new Silence(ports.clock, { afterMs: deadlineMs, ask: () => this.#ping(), silent });
    const link = { onUp: (socket: Socket) => this.#onConnected(socket), onDown: () => this.#onDown() };
    this.#connector = new Connector({ path, backoff: RECONNECT, ...link }, ports);
    this.#connector.start();
    this.#late = ports.clock.after(deadlineMs, () => {
      if (!this.#up) this.#emit({ event: 'link', up: false, reason: 'has not answered yet' });
    });
  }

  /** Whether the process has answered, and has not gone or fallen silent since. */
  get isUp(): boolean {
    return this.#up;
  }

  capabilities(): Promise<Capabilities> {
    return this.#call('capabilities');
  }

  namespaces(): Promise<NamespaceInfo[]> {
    return this.#call('namespaces');
  }

  observe(requests: readonly ObserveRequest[]): Promise<Result<Observation>[]> {
    return this.#inBatches(requests, (part) => this.#call('observe', { items: part }));
  }

  apply(changes: readonly TableChange[]): Promise<Result<Version>[]> {
    return this.#inBatches(changes, (part) => this.#call('apply', { items: part }), bytesOf);
  }

  changeLive(netns: string, change: LiveChange): Promise<number> {
    return this.#call('changeLive', { netns, change });
  }

  expectations(netns: string): Promise<Expectation[]> {
    return this.#call('expectations', { netns });
  }

  async watchExpectations(netnses: Watched): Promise<void> {
    this.#watched = netnses;
    await this.#call('watchExpectations', { netnses: netnses && [...netnses] });
  }

  allRules(netns: string): Promise<AllRules> {
    return this.#call('allRules', { netns });
  }

  onEvent(listener: (event: KernelEvent) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#late.cancel();
    this.#silence.stop();
    this.#connector.close();
    this.#socket = null;
    this.#up = false;
    this.#failPending('went away');
  }

  /** @param size of an item in bytes, where items can be large */
  async #inBatches<T, R>(
    items: readonly T[],
    run: (part: readonly T[]) => Promise<R[]>,
    size: (item: T) => number = () => 0,
  ): Promise<R[]> {
    if (items.length === 1) return run(items);
    const results: R[] = [];
    for (let at = 0; at < items.length; ) {
      const part = items.slice(at, at + fitting(items, at, size));
      results.push(...(await run(part)));
      at += part.length;
    }
    return results;
  }

  async #call<T>(method: KernelRequest['method'], parameters: object = {}): Promise<T> {
    const socket = this.#socket;
    if (!socket || !this.#up) throw new PinholeError('unreachable', 'the kernel process is not there');
    const id = this.#nextId++;
    const about = { what: `'${method}' to the kernel process`, timeoutMs: CALL_DEADLINES * this.#deadlineMs };
    try {
      return (await this.#pending.call(id, about, () => socket.send({ id, request: { method, ...parameters } }))) as T;
    } catch (error) {
      const isStuck = error instanceof PinholeError && error.code === 'timeout' && QUICK_METHODS.has(method);
      if (isStuck && socket === this.#socket) this.#giveUp(`does not answer '${method}'`);
      throw error;
    }
  }

  /** The answer is a sign of life, as any other message. */
  #ping(): void {
    this.#socket?.send({ id: this.#nextId++, request: { method: 'ping' } });
  }

  /** Connected is not yet served: a process that is stopped is connected to as well. */
  #onConnected(socket: Socket): void {
    this.#givenUp = null;
    this.#socket = new FramedSocket(socket, {
      name: 'the kernel process',
      logger: this.#ports.logger,
      maxReceived: MAX_ANSWER,
      maxBacklog: MAX_BACKLOG,
      onMessage: (message) => this.#onMessage(message as Incoming),
      onClose: () => undefined,
    });
    this.#silence.start();
  }

  #onUp(): void {
    this.#up = true;
    if (this.#watched?.size !== 0) this.watchExpectations(this.#watched).catch(() => undefined);
    this.#emit({ event: 'link', up: true });
  }

  #giveUp(reason: string): void {
    this.#givenUp = reason;
    this.#socket?.close();
  }

  #onDown(): void {
    const wasUp = this.#up;
    const reason = this.#givenUp ?? 'went away';
    this.#silence.stop();
    this.#socket = null;
    this.#up = false;
    this.#failPending(reason);
    if (wasUp) this.#emit({ event: 'link', up: false, reason });
  }

  #failPending(reason: string): void {
    this.#pending.rejectAll(() => new PinholeError('unreachable', `the kernel process ${reason}`));
  }

  #onMessage({ id = -1, result, error, event }: Incoming): void {
    this.#silence.heard();
    // An event may come before the first answer: it is about nothing that this side knows yet.
    if (!this.#up && event) return;
    if (!this.#up) this.#onUp();
    else if (event) this.#emit(event);
    else if (error) this.#pending.reject(id, errorFromData(error));
    else this.#pending.resolve(id, result);
  }

  #emit(event: KernelEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

interface Incoming {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: ErrorData;
  readonly event?: KernelEvent;
}

/** Bytes of what stands around the items of a request. */
const AROUND = 1024;

/** The number of items, from the one at `from`, that fit into one request; one at least. */
function fitting<T>(items: readonly T[], from: number, sizeOf: (item: T) => number): number {
  let count = 0;
  for (let size = 0; count < MAX_BATCH && from + count < items.length; count++) {
    size += sizeOf(items[from + count] as T);
    if (count > 0 && size > MAX_REQUEST - AROUND) break;
  }
  return count;
}

function bytesOf(item: unknown): number {
  return Buffer.byteLength(JSON.stringify(item));
}
