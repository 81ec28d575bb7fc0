import { createServer, type Server, type Socket } from 'node:net';
import { errorToData, PinholeError, type Result } from '../model/errors.ts';
import type { Logger } from '../ports/logger.ts';
import { FramedSocket } from '../sockets/framed-socket.ts';
import { encodeFrame } from '../sockets/frames.ts';
import type { Kernel, KernelEvent } from './interface.ts';
import { type KernelRequest, MAX_ANSWER, parseRequest } from './protocol.ts';

/** Events that a client does not read pile up to here; then it is cut off, and looks at everything when it is back. */
const MAX_EVENT_BACKLOG = 8 * 1024 * 1024;
/** Answers are fewer than events and larger: one of the largest may wait while another is sent. */
const MAX_BACKLOG = MAX_ANSWER;
const MAX_CLIENTS = 16;

/** Offers a kernel on a unix socket. The socket's mode and group are the authorisation. */
export class KernelService {
  readonly #kernel: Kernel;
  readonly #logger: Logger;
  readonly #server: Server;
  readonly #clients = new Set<FramedSocket>();
  readonly #watchers = new Set<FramedSocket>();

  constructor(kernel: Kernel, logger: Logger) {
    this.#kernel = kernel;
    this.#logger = logger;
    this.#server = createServer((socket) => this.#onClient(socket));
    kernel.onEvent((event) => this.#broadcast(event));
  }

  async listen(path: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, () => resolve());
    });
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #onClient(socket: Socket): void {
    if (this.#clients.size >= MAX_CLIENTS) {
      socket.destroy();
      return;
    }
    const client: FramedSocket = new FramedSocket(socket, {
      name: 'a client of the kernel process',
      logger: this.#logger,
      maxSent: MAX_ANSWER,
      maxBacklog: MAX_BACKLOG,
      onMessage: (message) => void this.#onMessage(client, message),
      onClose: () => {
        this.#clients.delete(client);
        void this.#setWatcher(client, false);
      },
    });
    this.#clients.add(client);
  }

  async #onMessage(client: FramedSocket, message: unknown): Promise<void> {
    let id = idOf(message);
    const failed = (error: unknown) => ({ id, error: errorToData(error) });
    try {
      const parsed = parseRequest(message);
      id = parsed.id;
      const result = await this.#answer(client, parsed.request);
      client.reply({ id, result: result ?? null }, failed);
    } catch (error) {
      if (!(error instanceof PinholeError)) this.#logger.error({ err: error }, 'a request to the kernel failed');
      client.reply(failed(error), failed);
    }
  }

  #answer(client: FramedSocket, request: KernelRequest): Promise<unknown> {
    switch (request.method) {
      case 'capabilities':
        return this.#kernel.capabilities();
      case 'namespaces':
        return this.#kernel.namespaces();
      case 'observe':
        return eachValid(request.items, (valid) => this.#kernel.observe(valid));
      case 'apply':
        return eachValid(request.items, (valid) => this.#kernel.apply(valid));
      case 'changeLive':
        return this.#kernel.changeLive(request.netns, request.change);
      case 'expectations':
        return this.#kernel.expectations(request.netns);
      case 'allRules':
        return this.#kernel.allRules(request.netns);
      case 'watchExpectations':
        return this.#setWatcher(client, request.on);
    }
  }

  #setWatcher(client: FramedSocket, on: boolean): Promise<void> {
    if (on) this.#watchers.add(client);
    else this.#watchers.delete(client);
    return this.#kernel.watchExpectations(this.#watchers.size > 0);
  }

  #broadcast(event: KernelEvent): void {
    const frame = encodeFrame({ event });
    for (const client of event.event === 'expectation' ? this.#watchers : this.#clients) {
      if (client.backlog > MAX_EVENT_BACKLOG) client.close();
      else client.sendFrame(frame);
    }
  }
}

/** Answers in the order of the items, those that were no valid request with their error. */
async function eachValid<T, R>(items: readonly Result<T>[], run: (valid: readonly T[]) => Promise<Result<R>[]>): Promise<Result<R>[]> {
  const answers = await run(items.flatMap((item) => (item.ok ? [item.value] : [])));
  let next = 0;
  return items.map((item) => (item.ok ? (answers[next++] as Result<R>) : item));
}

function idOf(message: unknown): number | null {
  const id = (message as { id?: unknown } | null)?.id;
  return typeof id === 'number' && Number.isSafeInteger(id) ? id : null;
}
