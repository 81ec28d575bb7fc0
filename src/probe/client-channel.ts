import { connect, type Socket } from 'node:net';
import { PinholeError } from '../model/errors.ts';
import type { Ports } from '../ports/ports.ts';
import { FramedSocket } from '../sockets/framed-socket.ts';
import { PendingCalls } from '../sockets/pending-calls.ts';
import {
  CHANNEL_VERSION,
  type ChannelPlace,
  MAX_CHANNEL_FRAME,
  type Question,
  REACHED,
  type Reached,
  readAnswer,
  readResult,
  SEEN,
  type Seen,
  WELCOME,
  type Welcome,
  type Which,
  writeQuestion,
} from './channel.ts';
import { showEndpoint } from './endpoint.ts';

type Without<Q> = Q extends Question ? Omit<Q, 'id'> : never;

/** The client's end of the channel to a reflector. */
export class ClientChannel {
  readonly #socket: Socket;
  readonly #framed: FramedSocket;
  readonly #calls: PendingCalls<number>;
  readonly #timeoutMs: number;
  #next = 0;

  private constructor(socket: Socket, timeoutMs: number, ports: Ports) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    this.#calls = new PendingCalls(ports.clock);
    this.#framed = new FramedSocket(socket, {
      name: 'the reflector',
      logger: ports.logger,
      maxReceived: MAX_CHANNEL_FRAME,
      maxSent: MAX_CHANNEL_FRAME,
      maxBacklog: MAX_CHANNEL_FRAME * 4,
      onMessage: (message) => {
        const { id, result, error } = readAnswer(message);
        if (error === null) this.#calls.resolve(id, result);
        else this.#calls.reject(id, new PinholeError('remote-failure', `The reflector says: ${error}`));
      },
      onClose: () => this.#calls.rejectAll(() => new PinholeError('unreachable', 'The reflector closed the channel.')),
    });
  }

  /**
   * Connects.
   * @param reflector its address
   * @throws PinholeError `unreachable` if the reflector does not answer in time
   */
  static async open(reflector: string, place: ChannelPlace, timeoutMs: number, ports: Ports): Promise<ClientChannel> {
    const socket = connect('path' in place ? place : { host: reflector, port: place.port });
    const at = 'path' in place ? place.path : showEndpoint({ address: reflector, port: place.port });
    const late = new AbortController();
    try {
      await new Promise<void>((resolve, reject) => {
        const fail = (why: string) => reject(new PinholeError('unreachable', `No reflector at ${at}: ${why}.`));
        void ports.clock.sleep(timeoutMs, late.signal).then(() => fail(`no answer in ${timeoutMs} ms`));
        socket.once('error', (error) => fail(error.message));
        socket.once('connect', resolve);
      });
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      late.abort();
    }
    return new ClientChannel(socket, timeoutMs, ports);
  }

  /** Own address towards the reflector; null: the channel is a unix socket. */
  get own(): string | null {
    return this.#socket.localAddress ?? null;
  }

  /** Begins a session. @throws PinholeError; `remote-failure` with the reflector's reason */
  async hello(): Promise<Welcome> {
    const welcome = readResult(WELCOME, await this.#ask({ ask: 'hello', version: CHANNEL_VERSION }));
    if (welcome.version !== CHANNEL_VERSION)
      throw new PinholeError('remote-failure', `The reflector speaks version ${welcome.version} of the channel, not ${CHANNEL_VERSION}.`);
    return welcome;
  }

  /** What the reflector saw of a trial. @throws PinholeError */
  async seen(trial: string): Promise<Seen> {
    return readResult(SEEN, await this.#ask({ ask: 'record', trial }));
  }

  /** Lets the reflector connect or send. @param wait milliseconds for a connection. @throws PinholeError */
  async reach(trial: string, which: Which, wait: number): Promise<Reached> {
    return readResult(REACHED, await this.#ask({ ask: 'reach', trial, which, wait }, wait));
  }

  /** Ends the session. */
  close(): void {
    this.#framed.close();
  }

  #ask(question: Without<Question>, extraMs = 0): Promise<unknown> {
    const id = ++this.#next;
    const about = { what: `'${question.ask}' to the reflector`, timeoutMs: this.#timeoutMs + extraMs };
    return this.#calls.call(id, about, () => this.#framed.send(writeQuestion({ ...question, id })));
  }
}
