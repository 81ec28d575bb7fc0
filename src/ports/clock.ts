/** Something that was scheduled. */
export interface Timer {
  /** The work will not run any more. Does nothing once it has run, or was cancelled before. */
  cancel(): void;
}

/**
 * Time, as everything below the composition roots gets it. Tests give a clock that they advance by hand, so that no result depends
 * on how fast a machine is.
 */
export interface Clock {
  /** Wall time. It may jump, in both directions: for what people and other hosts read, never for durations. */
  now(): Date;
  /** Milliseconds since some moment, never going back. For durations. */
  monotonic(): number;
  /** Runs `work` once, after at least `ms` milliseconds. Any number: one that is not above 0 means the next turn. */
  after(ms: number, work: () => void): Timer;
  /** Runs `work` every `ms` milliseconds (above 0) until it is cancelled, for the first time after `ms`. */
  every(ms: number, work: () => void): Timer;
  /** Resolves after `ms` milliseconds, or at once when `signal` aborts: the caller looks at the signal. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Longest wait of one timer of Node's; it takes a longer one for 1 ms. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** The machine's own time. Composition roots choose it; all other modules are handed a {@link Clock}. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  after,
  every(ms, work) {
    const timer = setInterval(work, ms);
    return { cancel: () => clearInterval(timer) };
  },
  sleep: (ms, signal) => sleepOn(after, ms, signal),
};

function after(ms: number, work: () => void): Timer {
  let left = ms;
  const arm = (): NodeJS.Timeout => {
    const part = Math.min(left, MAX_TIMEOUT_MS);
    left -= part;
    return setTimeout(() => {
      if (left > 0) timer = arm();
      else work();
    }, part);
  };
  let timer = arm();
  return { cancel: () => clearTimeout(timer) };
}

/** {@link Clock.sleep} by means of {@link Clock.after}: the same for every clock. */
export function sleepOn(timers: Clock['after'], ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const end = () => {
      timer.cancel();
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = timers(ms, end);
    signal?.addEventListener('abort', end, { once: true });
  });
}
