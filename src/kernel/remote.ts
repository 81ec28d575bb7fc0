import { connect, type Socket } from 'node:net';
import type { Capabilities } from '../contract/agent.ts';
import type { Expectation } from '../contract/expectation.ts';
import { type ErrorData, errorFromData, PinholeError, type Result } from '../model/errors.ts';
import type { Logger } from '../ports/logger.ts';
import { encodeFrame, FrameDecoder, MAX_FRAME } from '../sockets/frames.ts';
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
import { type KernelRequest, MAX_BATCH } from './protocol.ts';

export interface RemoteKernelOptions {
  readonly path: string;
  readonly logger: Logger;
  /** Wait before a lost connection is tried again; it doubles up to {@link MAX_RETRY_MS}. */
  readonly retryMs?: number;
  readonly timeoutMs?: number;
}

const MAX_RETRY_MS = 2_000;

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * The kernel process, over its socket. Reconnects by itself and says so with `link` events; a call while it is away, and one
 * that was under way when it went, fails with `unreachable`: whether that one took effect is not known.
 */
export class RemoteKernel implements Kernel {
  readonly #options: Required<RemoteKernelOptions>;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners: ((event: KernelEvent) => void)[] = [];
  #socket: Socket | null = null;
  #nextId = 1;
  #closed = false;
  #retryTimer: NodeJS.Timeout | null = null;
  #retryMs: number;
  #wantsExpectations = false;

  constructor(options: RemoteKernelOptions) {
    this.#options = { retryMs: 20, timeoutMs: 30_000, ...options };
    this.#retryMs = this.#options.retryMs;
    this.#connect();
  }

  get isUp(): boolean {
    return this.#socket !== null;
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
    return this.#inBatches(changes, (part) => this.#call('apply', { items: part }));
  }

  changeLive(netns: string, change: LiveChange): Promise<number> {
    return this.#call('changeLive', { netns, change });
  }

  expectations(netns: string): Promise<Expectation[]> {
    return this.#call('expectations', { netns });
  }

  async watchExpectations(on: boolean): Promise<void> {
    this.#wantsExpectations = on;
    await this.#call('watchExpectations', { on });
  }

  allRules(netns: string): Promise<AllRules> {
    return this.#call('allRules', { netns });
  }

  onEvent(listener: (event: KernelEvent) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#retryTimer) clearTimeout(this.#retryTimer);
    this.#socket?.destroy();
    this.#failPending();
  }

  async #inBatches<T, R>(items: readonly T[], run: (part: readonly T[]) => Promise<R[]>): Promise<R[]> {
    const results: R[] = [];
    for (let at = 0; at < items.length; at += MAX_BATCH) results.push(...(await run(items.slice(at, at + MAX_BATCH))));
    return results;
  }

  #call<T>(method: KernelRequest['method'], parameters: object = {}): Promise<T> {
    const socket = this.#socket;
    if (!socket) return Promise.reject(new PinholeError('unreachable', 'the kernel process is not there'));
    const id = this.#nextId++;
    const frame = encodeFrame({ id, request: { method, ...parameters } });
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new PinholeError('timeout', `the kernel process did not answer '${method}' in ${this.#options.timeoutMs} ms`));
      }, this.#options.timeoutMs);
      this.#pending.set(id, { resolve: resolve as (value: never) => void, reject, timer });
      socket.write(frame);
    });
  }

  #connect(): void {
    const socket = connect(this.#options.path);
    const decoder = new FrameDecoder(MAX_FRAME * 2);
    socket.on('connect', () => {
      this.#socket = socket;
      this.#retryMs = this.#options.retryMs;
      if (this.#wantsExpectations) this.watchExpectations(true).catch(() => undefined);
      this.#emit({ event: 'link', up: true });
    });
    socket.on('data', (chunk) => {
      try {
        for (const message of decoder.push(chunk)) this.#onMessage(message as Incoming);
      } catch (error) {
        this.#options.logger.error({ err: error }, 'the kernel process sent no message; reconnecting');
        socket.destroy();
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => this.#onClose());
  }

  #onClose(): void {
    const wasUp = this.#socket !== null;
    this.#socket = null;
    this.#failPending();
    if (wasUp) this.#emit({ event: 'link', up: false });
    if (this.#closed) return;
    this.#retryTimer = setTimeout(() => this.#connect(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }

  #failPending(): void {
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new PinholeError('unreachable', 'the kernel process went away'));
    }
    this.#pending.clear();
  }

  #onMessage(message: Incoming): void {
    if (message.event) {
      this.#emit(message.event);
      return;
    }
    const pending = this.#pending.get(message.id ?? -1);
    if (!pending) return;
    this.#pending.delete(message.id ?? -1);
    clearTimeout(pending.timer);
    if (message.error) pending.reject(errorFromData(message.error));
    else pending.resolve(message.result as never);
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
