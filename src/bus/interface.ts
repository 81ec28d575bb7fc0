export type Arguments = Readonly<Record<string, unknown>>;

/** Answers calls and takes casts on a topic. What it throws goes back to the caller as a typed error. */
export type Handler = (method: string, args: Arguments) => Promise<unknown> | unknown;

/**
 * Messages between servers and agents. A cast may be lost; a call is answered, or fails with `timeout` or `unreachable`.
 * Nothing that comes over a bus is trusted: receivers validate.
 */
export interface Bus {
  cast(topic: string, method: string, args: Arguments): void;
  call(topic: string, method: string, args: Arguments, timeoutMs?: number): Promise<unknown>;
  serve(topic: string, handler: Handler): void;
  /** Called with true whenever the bus is (again) there, and false when it went away: messages may have been lost. */
  onLink(listener: (up: boolean) => void): void;
  close(): Promise<void>;
}

export const CALL_TIMEOUT_MS = 30_000;
