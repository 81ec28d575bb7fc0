import { PinholeError } from '../model/errors.ts';

const NAMES = ['SIGINT', 'SIGTERM'] as const;

/** SIGINT and SIGTERM as an abort, so that a command can clean up before it ends. */
export interface Interruption {
  /** Aborts at the first signal. Its reason is the error for the command to end with. */
  readonly signal: AbortSignal;
  /** Removes the handlers: from then on, the signals end the process. */
  dispose(): void;
}

/** Handles SIGINT and SIGTERM until {@link Interruption.dispose}. */
export function interruption(): Interruption {
  const controller = new AbortController();
  const listeners = NAMES.map((name) => {
    const listener = () => controller.abort(new PinholeError('internal', `interrupted by ${name}; everything was cleaned up`));
    process.once(name, listener);
    return [name, listener] as const;
  });
  return {
    signal: controller.signal,
    dispose: () => {
      for (const [name, listener] of listeners) process.removeListener(name, listener);
    },
  };
}
