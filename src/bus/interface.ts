import type { Arguments } from '../wire/message.ts';

export type { Arguments };

/** Who sent a message, as far as the bus vouches for it. */
export interface Sender {
  /** The user that the broker authenticated; null where none was told, or where the bus is a socket that only the trusted can open. */
  readonly user: string | null;
}

/** Answers calls and takes casts on a topic. What it throws goes back to the caller as a typed error. */
export type Handler = (method: string, args: Arguments, sender: Sender) => Promise<unknown> | unknown;

/**
 * Messages between servers and agents. A cast may be lost; a call is answered, or fails with `timeout` or `unreachable`.
 * Nothing that comes over a bus is trusted: receivers validate.
 */
export interface Bus {
  /** Messages that were not taken since the start: malformed, of a stranger, of another version. */
  readonly refused: number;
  /** Resolves when the bus has taken the message. @throws PinholeError `unreachable` where it cannot */
  cast(topic: string, method: string, args: Arguments): Promise<void>;
  /** Asks a server of the topic. @param timeoutMs {@link CALL_TIMEOUT_MS} unless given. @throws PinholeError `timeout`, `unreachable`, or what the other end threw */
  call(topic: string, method: string, args: Arguments, timeoutMs?: number): Promise<unknown>;
  /** With `fanout` every server of the topic gets each message; without it, one of them does. */
  serve(topic: string, handler: Handler, options?: { readonly fanout: boolean }): void;
  /** Called with true whenever the bus is (again) there, and false when it went away: messages may have been lost. */
  onLink(listener: (up: boolean) => void): void;
  /** Leaves the bus: calls under way fail with `unreachable`. */
  close(): Promise<void>;
}

export const CALL_TIMEOUT_MS = 30_000;
