import type { Socket } from 'node:net';
import type { Capabilities } from '../contract/agent.ts';
import type { Expectation } from '../contract/expectation.ts';
import { type ErrorData, errorFromData, PinholeError, type Result } from '../model/errors.ts';
import type { Ports } from '../ports/ports.ts';
import type { Backoff } from '../ports/retry.ts';
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
import { type KernelRequest, MAX_ANSWER, MAX_BATCH } from './protocol.ts';

const RECONNECT: Backoff = { firstMs: 20, maxMs: 2_000 };
const TIMEOUT_MS = 30_000;
/** Bytes of requests that the kernel process has not read: more than a full batch for each worker. */
const MAX_BACKLOG = 64 * 1024 * 1024;

/**
 * The kernel process, over its socket. Reconnects by itself and says so with `link` events; a call while it is away, and one
 * that was under way when it went, fails with `unreachable`: whether that one took effect is not known.
 */
export class RemoteKernel implements Kernel {
  readonly #ports: Ports;
  readonly #connector: Connector;
  readonly #pending: PendingCalls<number>;
  readonly #listeners: ((event: KernelEvent) => void)[] = [];
  #socket: FramedSocket | null = null;
  #nextId = 1;
  #wantsExpectations = false;

  /** @param path of the kernel process's socket */
  constructor(path: string, ports: Ports) {
    this.#ports = ports;
    this.#pending = new PendingCalls(ports.clock);
    const link = { onUp: (socket: Socket) => this.#onUp(socket), onDown: () => this.#onDown() };
    this.#connector = new Connector({ path, backoff: RECONNECT, ...link }, ports);
    this.#connector.start();
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
    this.#connector.close();
    this.#socket = null;
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
    const about = { what: `'${method}' to the kernel process`, timeoutMs: TIMEOUT_MS };
    return this.#pending.call(id, about, () => socket.send({ id, request: { method, ...parameters } })) as Promise<T>;
  }

  #onUp(socket: Socket): void {
    this.#socket = new FramedSocket(socket, {
      name: 'the kernel process',
      logger: this.#ports.logger,
      maxReceived: MAX_ANSWER,
      maxBacklog: MAX_BACKLOG,
      onMessage: (message) => this.#onMessage(message as Incoming),
      onClose: () => undefined,
    });
    if (this.#wantsExpectations) this.watchExpectations(true).catch(() => undefined);
    this.#emit({ event: 'link', up: true });
  }

  #onDown(): void {
    this.#socket = null;
    this.#failPending();
    this.#emit({ event: 'link', up: false });
  }

  #failPending(): void {
    this.#pending.rejectAll(() => new PinholeError('unreachable', 'the kernel process went away'));
  }

  #onMessage({ id = -1, result, error, event }: Incoming): void {
    if (event) this.#emit(event);
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
