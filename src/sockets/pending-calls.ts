import { PinholeError } from '../model/errors.ts';
import type { Clock, Timer } from '../ports/clock.ts';

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: Timer;
}

/** Calls that wait for their answers. Each ends exactly once: answered, failed, or out of time. */
export class PendingCalls<Id> {
  readonly #clock: Clock;
  readonly #pending = new Map<Id, Pending>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls that have not ended. */
  get size(): number {
    return this.#pending.size;
  }

  /**
   * Sends a call and waits for its answer.
   * @param id not in use by another call that waits
   * @param about what the call is, for people (`'observe' to the kernel process`), and milliseconds to wait for the answer
   * @param send hands the call over; what it throws, at once or later, ends the call
   * @throws PinholeError `timeout`; what {@link reject}, {@link rejectAll} and `send` say
   */
  call(id: Id, about: { readonly what: string; readonly timeoutMs: number }, send: () => void | Promise<void>): Promise<unknown> {
    const { what, timeoutMs } = about;
    return new Promise((resolve, reject) => {
      const late = () => this.reject(id, new PinholeError('timeout', `${what} was not answered in ${timeoutMs} ms`));
      this.#pending.set(id, { resolve, reject, timer: this.#clock.after(timeoutMs, late) });
      void this.#send(id, send);
    });
  }

  /** An answer came. Nothing happens where no call of this id waits. */
  resolve(id: Id, value: unknown): void {
    this.#end(id)?.resolve(value);
  }

  /** The call failed. Nothing happens where no call of this id waits. */
  reject(id: Id, error: unknown): void {
    this.#end(id)?.reject(error);
  }

  /** No answer can come any more: all that wait fail, each with an error of its own. */
  rejectAll(makeError: () => Error): void {
    for (const id of [...this.#pending.keys()]) this.reject(id, makeError());
  }

  async #send(id: Id, send: () => void | Promise<void>): Promise<void> {
    try {
      await send();
    } catch (error) {
      this.reject(id, error);
    }
  }

  #end(id: Id): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.timer.cancel();
    return pending;
  }
}
