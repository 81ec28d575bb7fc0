import { PinholeError } from '../model/errors.ts';

const NAMES = ['SIGINT', 'SIGTERM'] as const;

export interface Interruption {
  /** Aborts when somebody ends the command, for it to clean up first; its reason is the error that the command ends with. */
  readonly signal: AbortSignal;
  /** Gives the signals back: from here on they end the process. */
  dispose(): void;
}

export function interruption(): Interruption {
  const controller = new AbortController();
  const listeners = NAMES.map((name) => {
    const listener = () => controller.abort(new PinholeError('internal', `interrupted by ${name}; everything is cleaned up`));
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
