import { createServer, type Server, type Socket } from 'node:net';
import { errorToData, PinholeError, type Result } from '../model/errors.ts';
import type { Logger } from '../ports/logger.ts';
import { encodeFrame, FrameDecoder, MAX_FRAME } from '../sockets/frames.ts';
import type { Kernel, KernelEvent } from './interface.ts';
import { type KernelRequest, parseRequest } from './protocol.ts';

/** Events that a client does not read pile up to here; then it is cut off, and looks at everything when it is back. */
const MAX_BACKLOG = 8 * 1024 * 1024;
const MAX_CLIENTS = 16;

/** Offers a kernel on a unix socket. The socket's mode and group are the authorisation. */
export class KernelService {
  readonly #kernel: Kernel;
  readonly #logger: Logger;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  readonly #watchers = new Set<Socket>();

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
    for (const client of this.#clients) client.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #onClient(socket: Socket): void {
    if (this.#clients.size >= MAX_CLIENTS) {
      socket.destroy();
      return;
    }
    this.#clients.add(socket);
    const decoder = new FrameDecoder();
    socket.on('data', (chunk) => {
      try {
        for (const message of decoder.push(chunk)) void this.#onMessage(socket, message);
      } catch (error) {
        this.#logger.warn({ err: error }, 'a client of the kernel process sent no message; closing its connection');
        socket.destroy();
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#clients.delete(socket);
      void this.#setWatcher(socket, false);
    });
  }

  async #onMessage(socket: Socket, message: unknown): Promise<void> {
    let id: number | null = null;
    try {
      const parsed = parseRequest(message);
      id = parsed.id;
      const result = await this.#answer(socket, parsed.request);
      send(socket, { id, result: result ?? null });
    } catch (error) {
      if (!(error instanceof PinholeError)) this.#logger.error({ err: error }, 'a request to the kernel failed');
      send(socket, { id: id ?? idOf(message), error: errorToData(error) });
    }
  }

  #answer(socket: Socket, request: KernelRequest): Promise<unknown> {
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
        return this.#setWatcher(socket, request.on);
    }
  }

  #setWatcher(socket: Socket, on: boolean): Promise<void> {
    if (on) this.#watchers.add(socket);
    else this.#watchers.delete(socket);
    return this.#kernel.watchExpectations(this.#watchers.size > 0);
  }

  #broadcast(event: KernelEvent): void {
    const frame = encodeFrame({ event });
    for (const client of event.event === 'expectation' ? this.#watchers : this.#clients) {
      if (client.writableLength > MAX_BACKLOG) client.destroy();
      else client.write(frame);
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

function send(socket: Socket, message: object): void {
  if (socket.destroyed) return;
  socket.write(encodeFrame(message, MAX_FRAME * 2));
}
