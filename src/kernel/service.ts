import { createServer, type Server, type Socket } from 'node:net';
import { errorToData, PinholeError, type Result } from '../model/errors.ts';
import { isWatched, NONE_WATCHED, type Watched, watchedByAny } from '../model/watched.ts';
import type { Ports } from '../ports/ports.ts';
import { FramedSocket } from '../sockets/framed-socket.ts';
import { encodeFrame } from '../sockets/frames.ts';
import { ExpectationShares } from './expectation-shares.ts';
import type { Kernel, KernelEvent, TableChange, Version } from './interface.ts';
import { type KernelRequest, MAX_ANSWER, MAX_REQUEST, parseRequest, QUICK_METHODS } from './protocol.ts';

/** Events that a client does not read pile up to here; then it is cut off, and looks at everything when it is back. */
const MAX_EVENT_BACKLOG = 8 * 1024 * 1024;
/** Answers are fewer than events and larger: one of the largest may wait while another is sent. */
const MAX_BACKLOG = MAX_ANSWER;
const MAX_CLIENTS = 16;
/** Items of a batch that are worked on in one turn of the event loop: others are answered in between. */
const ITEMS_PER_TURN = 16;

export interface KernelServiceOptions {
  /** Whether a client may ask at all, beside the socket's mode. */
  readonly mayConnect: (socket: Socket) => boolean;
}

/** Offers a kernel on a unix socket. */
export class KernelService {
  readonly #kernel: Kernel;
  readonly #ports: Pick<Ports, 'logger' | 'clock'>;
  readonly #server: Server;
  /** The longest-silent client first: each moves to the end with every message. */
  readonly #clients = new Set<FramedSocket>();
  readonly #watchers = new Map<FramedSocket, Watched>();
  readonly #shares: ExpectationShares;
  /** When each quick request that is not answered yet began: {@link Ports.clock}'s monotonic time, oldest first. */
  readonly #underWay = new Map<KernelRequest, number>();

  constructor(kernel: Kernel, ports: Pick<Ports, 'logger' | 'clock'>, { mayConnect }: KernelServiceOptions = { mayConnect: () => true }) {
    this.#kernel = kernel;
    this.#ports = ports;
    this.#shares = new ExpectationShares(ports.clock);
    this.#server = createServer((socket) => (mayConnect(socket) ? this.#onClient(socket) : this.#turnAway(socket)));
    kernel.onEvent((event) => this.#broadcast(event));
  }

  async listen(path: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, () => resolve());
    });
  }

  /** Milliseconds for which the oldest quick request waits for its answer; 0 if none does. */
  get waitingMs(): number {
    const [oldest] = this.#underWay.values();
    return oldest === undefined ? 0 : this.#ports.clock.monotonic() - oldest;
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #turnAway(socket: Socket): void {
    this.#ports.logger.warn({}, 'a user who may not ask was turned away');
    socket.destroy();
  }

  #onClient(socket: Socket): void {
    if (this.#clients.size >= MAX_CLIENTS) this.#endSilent();
    const client: FramedSocket = new FramedSocket(socket, {
      name: 'a client of the kernel process',
      logger: this.#ports.logger,
      maxReceived: MAX_REQUEST,
      maxSent: MAX_ANSWER,
      maxBacklog: MAX_BACKLOG,
      onMessage: (message) => {
        if (this.#clients.delete(client)) this.#clients.add(client);
        void this.#onMessage(client, message);
      },
      onClose: () => {
        this.#clients.delete(client);
        this.#watchers.delete(client);
        void this.#watch();
      },
    });
    this.#clients.add(client);
  }

  /** Ends the client that has said nothing for the longest time. Clients that work give signs of life, and come back if they are cut off. */
  #endSilent(): void {
    const [silent] = this.#clients;
    this.#ports.logger.warn({}, 'too many clients of the kernel process; closing the one that is silent for the longest time');
    silent?.close();
    if (silent) this.#clients.delete(silent);
  }

  async #onMessage(client: FramedSocket, message: unknown): Promise<void> {
    let id = idOf(message);
    const failed = (error: unknown) => ({ id, error: errorToData(error) });
    try {
      const parsed = parseRequest(message);
      id = parsed.id;
      const result = await this.#timed(parsed.request, () => this.#answer(client, parsed.request));
      client.reply({ id, result: result ?? null }, failed);
    } catch (error) {
      if (!(error instanceof PinholeError)) this.#ports.logger.error({ err: error }, 'a request to the kernel failed');
      client.reply(failed(error), failed);
    }
  }

  async #timed<T>(request: KernelRequest, work: () => Promise<T>): Promise<T> {
    if (QUICK_METHODS.has(request.method)) this.#underWay.set(request, this.#ports.clock.monotonic());
    try {
      return await work();
    } finally {
      this.#underWay.delete(request);
    }
  }

  #answer(client: FramedSocket, request: KernelRequest): Promise<unknown> {
    switch (request.method) {
      case 'ping':
        return Promise.resolve(null);
      case 'capabilities':
        return this.#kernel.capabilities();
      case 'namespaces':
        return this.#kernel.namespaces();
      case 'observe':
        return eachValid(request.items, (valid) => this.#kernel.observe(valid));
      case 'apply':
        return eachValid(request.items, (valid) => this.#apply(client, valid));
      case 'changeLive':
        return this.#kernel.changeLive(request.netns, request.change);
      case 'expectations':
        return this.#kernel.expectations(request.netns);
      case 'allRules':
        return this.#kernel.allRules(request.netns);
      case 'watchExpectations':
        return this.#setWatcher(client, request.netnses && new Set(request.netnses));
    }
  }

  /** What one client changes is to the others a change by another program: none of them asked for it. */
  async #apply(client: FramedSocket, changes: readonly TableChange[]): Promise<Result<Version>[]> {
    const results = await this.#kernel.apply(changes);
    for (const [index, { netns }] of changes.entries()) {
      if (!results[index]?.ok) continue;
      const frame = encodeFrame({ event: { event: 'touched', netns, by: 'another client of the kernel process' } satisfies KernelEvent });
      for (const other of this.#clients) if (other !== client) this.#tell(other, frame);
    }
    return results;
  }

  #setWatcher(client: FramedSocket, netnses: Watched): Promise<void> {
    this.#watchers.set(client, netnses);
    return this.#watch();
  }

  #watch(): Promise<void> {
    return this.#kernel.watchExpectations(watchedByAny(this.#watchers.values()));
  }

  #broadcast(event: KernelEvent): void {
    if (event.event === 'namespace' && !event.present) this.#shares.forget(event.netns);
    const leftOut = event.event === 'expectation' ? this.#shares.admit(event.netns) : 0;
    if (leftOut === null) return;
    const frame = encodeFrame({ event: leftOut === 0 ? event : { ...event, leftOut } });
    for (const client of this.#clients)
      if (event.event !== 'expectation' || isWatched(this.#watchers.get(client) ?? NONE_WATCHED, event.netns)) this.#tell(client, frame);
  }

  #tell(client: FramedSocket, frame: Buffer): void {
    if (client.backlog > MAX_EVENT_BACKLOG) client.close();
    else client.sendFrame(frame);
  }
}

/** Answers in the order of the items, those that were no valid request with their error. */
async function eachValid<T, R>(items: readonly Result<T>[], run: (valid: readonly T[]) => Promise<Result<R>[]>): Promise<Result<R>[]> {
  const valid = items.flatMap((item) => (item.ok ? [item.value] : []));
  const answers: Result<R>[] = [];
  for (let at = 0; at < valid.length; at += ITEMS_PER_TURN) {
    if (at > 0) await nextTurn();
    answers.push(...(await run(valid.slice(at, at + ITEMS_PER_TURN))));
  }
  let next = 0;
  return items.map((item) => (item.ok ? (answers[next++] as Result<R>) : item));
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function idOf(message: unknown): number | null {
  const id = (message as { id?: unknown } | null)?.id;
  return typeof id === 'number' && Number.isSafeInteger(id) ? id : null;
}
