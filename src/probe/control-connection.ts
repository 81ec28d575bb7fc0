import type { Socket } from 'node:net';
import type { Protocol } from '../model/catalogue.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import { MAX_KEPT } from './channel.ts';
import type { Conversation } from './conversations.ts';
import type { Endpoint } from './endpoint.ts';
import type { TrialRecord } from './sessions.ts';
import { findTrial } from './trial-id.ts';

/** What a control connection asks of the reflector. */
export interface ControlHost {
  readonly clock: Clock;
  /** Milliseconds for which a connection may name no trial. */
  readonly strangerMs: number;
  /** Milliseconds for which it may last. */
  readonly lifeMs: number;
  /** The record of a trial; null: there is no such session. */
  recordOf(trial: string): TrialRecord | null;
  /** The connection of a trial has begun. */
  begun(record: TrialRecord, from: Endpoint): void;
  /** Opens data ports for a trial. @returns the one to announce */
  open(record: TrialRecord, transport: Protocol): Promise<Endpoint>;
}

/** A TCP connection that an ALG in the path may read. What it carries is kept, byte for byte. */
export class ControlConnection {
  readonly #socket: Socket;
  readonly #conversation: Conversation;
  readonly #host: ControlHost;
  readonly #end: Timer;
  #stranger: Timer;
  #record: TrialRecord | null = null;
  /** All of what came, and where the first unread message begins. */
  #received = '';
  #read = 0;
  #sent = '';
  #isAnswering = false;

  constructor(socket: Socket, conversation: Conversation, host: ControlHost) {
    this.#socket = socket;
    this.#conversation = conversation;
    this.#host = host;
    this.#stranger = host.clock.after(host.strangerMs, () => socket.destroy());
    this.#end = host.clock.after(host.lifeMs, () => socket.destroy());
    socket.on('close', () => {
      this.#stranger.cancel();
      this.#end.cancel();
    });
    socket.on('data', (chunk) => this.#receive(chunk.toString('latin1')));
    this.#say(conversation.greeting);
  }

  #receive(text: string): void {
    this.#received += text;
    if (this.#received.length > MAX_KEPT) return void this.#socket.destroy();
    if (this.#record) this.#record.keepReceived(text);
    else this.#recognise();
    void this.#answerAll();
  }

  /** Looks for the name of a trial in what came. */
  #recognise(): void {
    const trial = findTrial(this.#received);
    const { remoteAddress: address, remotePort: port } = this.#socket;
    if (trial === null || address === undefined || port === undefined) return;
    this.#record = this.#host.recordOf(trial);
    if (!this.#record) return void this.#socket.destroy();
    this.#stranger.cancel();
    this.#record.keepReceived(this.#received);
    this.#record.keepSent(this.#sent);
    this.#host.begun(this.#record, { address, port });
  }

  async #answerAll(): Promise<void> {
    if (this.#isAnswering) return;
    this.#isAnswering = true;
    try {
      for (let length = this.#next(); length !== null; length = this.#next()) {
        const message = this.#received.slice(this.#read, this.#read + length);
        this.#read += length;
        this.#say(await this.#answer(message));
      }
    } catch {
      this.#socket.destroy();
    } finally {
      this.#isAnswering = false;
    }
  }

  /** Length of the next message. @throws Error for garbage */
  #next(): number | null {
    const length = this.#socket.destroyed ? null : this.#conversation.cut(this.#received.slice(this.#read));
    if (length === 'broken') throw new Error('this is another protocol');
    return length;
  }

  /** @throws Error for a stranger who asks for more than a greeting */
  #answer(message: string): Promise<string> {
    const record = this.#record;
    return this.#conversation.answer(message, {
      hear: (endpoint) => {
        if (record) record.announced ??= endpoint;
      },
      open: (transport) => {
        if (!record) throw new Error('no trial was named');
        return this.#host.open(record, transport);
      },
    });
  }

  #say(text: string): void {
    if (text === '') return;
    this.#sent += text;
    this.#record?.keepSent(text);
    this.#socket.write(text, 'latin1');
  }
}
