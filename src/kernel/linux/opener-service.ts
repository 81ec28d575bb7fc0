import { writeSync } from 'node:fs';
import type { Netns } from '../../contract/netns.ts';
import { errorToData, PinholeError } from '../../model/errors.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Epoll, Libc } from './libc.ts';
import type { Opener } from './opener.ts';
import { type OpenerAnswer, type OpenerRequest, parseOpenerRequest } from './opener-protocol.ts';
import { peerUser, UnixMessages } from './unix-messages.ts';

/** The kernel process has one connection for sockets, and one for each reading of rules; commands of an admin come and go. */
const MAX_CLIENTS = 16;

export interface OpenerServiceOptions {
  /** Which namespaces it opens: root's configuration. */
  readonly allowed: (netns: Netns) => boolean;
  /** Users that it serves. */
  readonly users: readonly number[];
  readonly logger: Logger;
}

/** Offers an opener on a unix socket, to the users and for the namespaces of its options. */
export class OpenerService {
  readonly #opener: Opener;
  readonly #libc: Libc;
  readonly #options: OpenerServiceOptions;
  readonly #messages: UnixMessages;
  readonly #epoll: Epoll;
  /** By descriptor, the one that was served longest ago first. A descriptor's number is used again, an object is not. */
  readonly #clients = new Map<number, object>();
  #listener = -1;
  #over: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(opener: Opener, libc: Libc, options: OpenerServiceOptions) {
    this.#opener = opener;
    this.#libc = libc;
    this.#options = options;
    this.#messages = new UnixMessages(libc);
    this.#epoll = libc.epoll();
  }

  /** @throws KernelRefused */
  listen(path: string): void {
    this.#listener = this.#messages.listen(path);
    this.#epoll.add(this.#listener);
    this.#over = this.#serve();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#epoll.close();
    await this.#over;
    for (const fd of [...this.#clients.keys(), this.#listener]) if (fd >= 0) this.#libc.close(fd);
    this.#clients.clear();
  }

  async #serve(): Promise<void> {
    while (!this.#closed)
      for (const fd of await this.#epoll.wait()) {
        if (fd === this.#listener) this.#accept();
        else if (this.#clients.has(fd)) void this.#hear(fd);
      }
  }

  #accept(): void {
    for (let fd = this.#messages.accept(this.#listener); fd !== null; fd = this.#messages.accept(this.#listener)) {
      if (!this.#options.users.includes(peerUser(this.#libc, fd))) {
        this.#options.logger.warn({}, 'a user who may not ask was turned away');
        this.#libc.close(fd);
        continue;
      }
      const [oldest] = this.#clients.keys();
      if (this.#clients.size >= MAX_CLIENTS && oldest !== undefined) this.#drop(oldest);
      this.#clients.set(fd, {});
      this.#epoll.add(fd);
    }
  }

  async #hear(fd: number): Promise<void> {
    const client = {};
    try {
      const message = this.#messages.receive(fd);
      if (message === null) return;
      for (const extra of message.fds) this.#libc.close(extra);
      if (message.data.length === 0) return this.#drop(fd);
      this.#clients.delete(fd);
      this.#clients.set(fd, client);
      const { answer, fds } = await this.#answer(message.data);
      try {
        if (this.#clients.get(fd) === client) this.#messages.send(fd, Buffer.from(JSON.stringify(answer)), fds);
      } finally {
        for (const one of fds) this.#libc.close(one);
      }
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'a client of the opener was cut off');
      if (this.#clients.get(fd) === client) this.#drop(fd);
    }
  }

  async #answer(data: Buffer): Promise<{ answer: OpenerAnswer; fds: readonly number[] }> {
    try {
      return await this.#carryOut(parseOpenerRequest(data));
    } catch (error) {
      const { code, message } = errorToData(error);
      return { answer: { is: 'failed', failure: { code, message: message.slice(0, 4_096) } }, fds: [] };
    }
  }

  async #carryOut(request: OpenerRequest): Promise<{ answer: OpenerAnswer; fds: readonly number[] }> {
    switch (request.ask) {
      case 'host': {
        const { file, conntrackEvents } = this.#opener.host();
        return { answer: { is: 'host', file, events: conntrackEvents }, fds: [] };
      }
      case 'open': {
        const { fds, file } = this.#opener.open(this.#checked(request.netns), request.kinds);
        return { answer: { is: 'opened', file }, fds };
      }
      case 'openNew':
        return { answer: { is: 'done' }, fds: [this.#opener.openNew()] };
      case 'allRules': {
        const rules = await this.#opener.allRules(this.#checked(request.netns));
        return { answer: { is: 'done' }, fds: [this.#inMemory(JSON.stringify(rules))] };
      }
    }
  }

  #checked(netns: Netns): Netns {
    if (this.#options.allowed(netns)) return netns;
    throw new PinholeError('netns-denied', `configuration does not let Pinhole serve network namespace ${netns}`);
  }

  /** A file without a name that holds a text. Its position stays at the start, where the reader begins. */
  #inMemory(text: string): number {
    const fd = this.#libc.memoryFile('rules');
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, at);
    return fd;
  }

  #drop(fd: number): void {
    this.#clients.delete(fd);
    this.#epoll.remove(fd);
    this.#libc.close(fd);
  }
}
