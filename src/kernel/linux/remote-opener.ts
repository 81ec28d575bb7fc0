import { closeSync, readFile } from 'node:fs';
import { promisify } from 'node:util';
import { HOST_NETNS, type Netns } from '../../contract/netns.ts';
import { errorFromData, PinholeError } from '../../model/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { AllRules } from '../interface.ts';
import type { Libc } from './libc.ts';
import { type HostFacts, type NamespaceFile, namedInode, namespaceDevice, type Opener, type SocketKind } from './opener.ts';
import { type OpenerAnswer, type OpenerRequest, parseOpenerAnswer } from './opener-protocol.ts';
import { type UnixMessage, UnixMessages } from './unix-messages.ts';

/** An opener answers at once. The kernel process does nothing else meanwhile, and is not taken for dead within that time. */
const TIMEOUT_MS = 2_000;
/** After an opener that did not answer, others wait: none of them asks it in that time. */
const PAUSE_MS = 2_000;
/** Rules come from programs that each may take twenty seconds. */
const RULES_TIMEOUT_MS = 60_000;

/** Asks an opener behind a unix socket. Needs no capabilities for it. Calls are synchronous, except for rules. */
export class RemoteOpener implements Opener {
  readonly #libc: Libc;
  readonly #path: string;
  readonly #clock: Clock;
  readonly #messages: UnixMessages;
  readonly #device = namespaceDevice();
  #fd: number | null = null;
  #host: HostFacts | null = null;
  #pausedUntil = Number.NEGATIVE_INFINITY;

  constructor(libc: Libc, path: string, clock: Clock) {
    this.#libc = libc;
    this.#path = path;
    this.#clock = clock;
    this.#messages = new UnixMessages(libc);
  }

  host(): HostFacts {
    if (this.#host) return this.#host;
    const { answer } = this.#ask({ ask: 'host' });
    if (answer.is !== 'host') throw unexpected();
    this.#host = { file: answer.file, conntrackEvents: answer.events };
    return this.#host;
  }

  inode(netns: Netns): number | null {
    return netns === HOST_NETNS ? this.host().file.inode : namedInode(netns, this.#device);
  }

  open(netns: Netns, kinds: readonly SocketKind[]): { fds: readonly number[]; file: NamespaceFile } {
    const { answer, fds } = this.#ask({ ask: 'open', netns, kinds });
    if (answer.is === 'opened' && fds.length === kinds.length) return { fds, file: answer.file };
    for (const fd of fds) this.#libc.close(fd);
    throw unexpected();
  }

  openNew(): number {
    const [fd] = this.#ask({ ask: 'openNew' }).fds;
    if (fd === undefined) throw unexpected();
    return fd;
  }

  /** Reads on a pool thread, through a connection of its own. */
  async allRules(netns: Netns): Promise<AllRules> {
    const messages = new UnixMessages(this.#libc);
    const fd = messages.connect(this.#path, RULES_TIMEOUT_MS);
    try {
      messages.send(fd, encode({ ask: 'allRules', netns }));
      const [file] = checked(await messages.receiveLater(fd)).fds;
      if (file === undefined) throw unexpected();
      try {
        return JSON.parse(await promisify(readFile)(file, 'utf8')) as AllRules;
      } finally {
        closeSync(file);
      }
    } finally {
      this.#libc.close(fd);
    }
  }

  close(): void {
    this.#disconnect();
  }

  /** Asks, and asks once more where the opener has been started again meanwhile. */
  #ask(request: OpenerRequest): { answer: OpenerAnswer; fds: readonly number[] } {
    if (this.#clock.monotonic() < this.#pausedUntil) throw silent();
    const isKept = this.#fd !== null;
    const message = this.#exchange(request);
    return checked(message === 'gone' && isKept ? this.#exchange(request) : message);
  }

  #exchange(request: OpenerRequest): UnixMessage | 'gone' | 'late' {
    try {
      this.#fd ??= this.#messages.connect(this.#path, TIMEOUT_MS);
      this.#messages.send(this.#fd, encode(request));
      const message = this.#messages.receive(this.#fd);
      if (message !== null && message.data.length > 0) return message;
      this.#disconnect();
      if (message !== null) return 'gone';
      this.#pausedUntil = this.#clock.monotonic() + PAUSE_MS;
      return 'late';
    } catch {
      this.#disconnect();
      return 'gone';
    }
  }

  #disconnect(): void {
    if (this.#fd !== null) this.#libc.close(this.#fd);
    this.#fd = null;
  }
}

function encode(request: OpenerRequest): Buffer {
  return Buffer.from(JSON.stringify(request));
}

/** @throws the error that the opener answered; PinholeError `unreachable` for no answer */
function checked(message: UnixMessage | 'gone' | 'late' | null): { answer: OpenerAnswer; fds: readonly number[] } {
  if (message === null || typeof message === 'string' || message.data.length === 0) throw silent();
  const answer = parseOpenerAnswer(message.data);
  if (answer.is !== 'failed') return { answer, fds: message.fds };
  throw errorFromData({ ...answer.failure, details: {} } as Parameters<typeof errorFromData>[0]);
}

function silent(): PinholeError {
  return new PinholeError('unreachable', 'the process that opens sockets in network namespaces (pinhole opener) does not answer');
}

function unexpected(): PinholeError {
  return new PinholeError('internal', 'pinhole opener answers something else than it was asked');
}
