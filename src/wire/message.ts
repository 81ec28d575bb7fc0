import { read, type Shape } from '../contract/shape.ts';
import { PinholeError } from '../model/errors.ts';

/** The arguments of a method, as a bus carries them. */
export type Arguments = Readonly<Record<string, unknown>>;

/**
 * A method on the bus with the shapes of its two directions. The caller writes the request and reads the answer, the callee reads
 * the request and writes the answer. Both sides use this one definition.
 */
export interface Message<Q, A> {
  readonly method: string;
  readonly request: Shape<Q>;
  readonly answer: Shape<A>;
}

/** The part of a bus that asking needs. */
interface Caller {
  /** Calls a method and resolves with the answer as it arrived. @throws PinholeError of the other side; `timeout`, `unreachable` */
  call(topic: string, method: string, args: Arguments, timeoutMs?: number): Promise<unknown>;
}
/** The part of a bus that telling needs. */
interface Teller {
  /** Sends a message without an answer. @throws PinholeError `unreachable` */
  cast(topic: string, method: string, args: Arguments): Promise<void>;
}

/** A request and the topic to which it goes. */
export interface Question<Q> {
  readonly topic: string;
  readonly request: Q;
  /** Milliseconds to wait for the answer; absent for the bus's default. */
  readonly timeoutMs?: number;
}

/**
 * Sends a request and returns the answer, which is read as untrusted input.
 * @throws PinholeError of the other side; `timeout`, `unreachable`; `invalid-message` for an answer that does not have the
 * message's shape
 */
export async function ask<Q, A>(bus: Caller, message: Message<Q, A>, question: Question<Q>): Promise<A> {
  const { topic, request, timeoutMs } = question;
  const answer = await bus.call(topic, message.method, message.request.write(request) as Arguments, timeoutMs);
  return read(message.answer, answer, message.method);
}

/** Sends a message without an answer. It may be lost. @throws PinholeError `unreachable` if the bus cannot take it */
export async function tell<Q>(bus: Teller, message: Message<Q, null>, { topic, request }: Question<Q>): Promise<void> {
  await bus.cast(topic, message.method, message.request.write(request) as Arguments);
}

/** The answering side: reads each request as untrusted input, and writes what the handler returns. */
export class Answers<Sender> {
  readonly #name: string;
  readonly #methods = new Map<string, (args: Arguments, sender: Sender) => Promise<unknown>>();

  /** @param name the answering side, as in "NAME does not answer 'method'" */
  constructor(name: string) {
    this.#name = name;
  }

  /** Registers the handler of a message. @returns this object */
  on<Q, A>(message: Message<Q, A>, work: (request: Q, sender: Sender) => Promise<A> | A): this {
    this.#methods.set(message.method, async (args, sender) =>
      message.answer.write(await work(read(message.request, args, message.method), sender)),
    );
    return this;
  }

  /**
   * Handles a message, in the form that `Bus.serve` wants.
   * @throws PinholeError `invalid-message` for an unknown method, or a request that does not have its shape
   */
  async handle(method: string, args: Arguments, sender: Sender): Promise<unknown> {
    const answer = this.#methods.get(method);
    if (!answer) throw new PinholeError('invalid-message', `${this.#name} does not answer '${method.slice(0, 64)}'`);
    return answer(args, sender);
  }
}
