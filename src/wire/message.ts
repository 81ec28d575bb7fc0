import { read, type Shape } from '../contract/shape.ts';
import { PinholeError } from '../model/errors.ts';

/** Arguments of a method, as a bus carries them. */
export type Arguments = Readonly<Record<string, unknown>>;

/** A method on the bus and what both ends say: who asks writes the request, who answers reads it, and the other way round. */
export interface Message<Q, A> {
  readonly method: string;
  readonly request: Shape<Q>;
  readonly answer: Shape<A>;
}

/** What of a bus asking takes. */
interface Caller {
  call(topic: string, method: string, args: Arguments, timeoutMs?: number): Promise<unknown>;
}
interface Teller {
  cast(topic: string, method: string, args: Arguments): Promise<void>;
}

/** What is asked of whom. */
export interface Question<Q> {
  readonly topic: string;
  readonly request: Q;
  readonly timeoutMs?: number;
}

/** Asks, and reads the answer as untrusted. @throws PinholeError of the other end; `timeout`, `unreachable`; `invalid-message` for an answer that is none */
export async function ask<Q, A>(bus: Caller, message: Message<Q, A>, question: Question<Q>): Promise<A> {
  const { topic, request, timeoutMs } = question;
  const answer = await bus.call(topic, message.method, message.request.write(request) as Arguments, timeoutMs);
  return read(message.answer, answer, message.method);
}

/** Sends without an answer: it may be lost. @throws PinholeError `unreachable` where the bus cannot take it */
export async function tell<Q>(bus: Teller, message: Message<Q, null>, { topic, request }: Question<Q>): Promise<void> {
  await bus.cast(topic, message.method, message.request.write(request) as Arguments);
}

/** The answering end: reads each request as untrusted and writes what the work returns. */
export class Answers<Sender> {
  readonly #name: string;
  readonly #methods = new Map<string, (args: Arguments, sender: Sender) => Promise<unknown>>();

  /** @param name who answers, for the message about a method that is not answered here */
  constructor(name: string) {
    this.#name = name;
  }

  on<Q, A>(message: Message<Q, A>, work: (request: Q, sender: Sender) => Promise<A> | A): this {
    this.#methods.set(message.method, async (args, sender) =>
      message.answer.write(await work(read(message.request, args, message.method), sender)),
    );
    return this;
  }

  /** For `Bus.serve`. @throws PinholeError `invalid-message` for a method that is not answered here, or a request that is none */
  async handle(method: string, args: Arguments, sender: Sender): Promise<unknown> {
    const answer = this.#methods.get(method);
    if (!answer) throw new PinholeError('invalid-message', `${this.#name} does not answer '${method.slice(0, 64)}'`);
    return answer(args, sender);
  }
}
