import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Linux counts processor time for programs in hundredths of a second, whatever its own clock (`USER_HZ`). */
const TICK_MS = 10;
const POLL_MS = 20;
/** Idle processes use less than this share of a processor, for their timers: 0.04 was measured on a crowded machine. */
const IDLE_SHARE = 0.1;
/** Processes that are busy for so long do not start slowly: they do not come to an end. */
const MAX_MS = 1_200_000;

/**
 * Decides how long to wait for processes, on any machine: as long as they work. An emulated or crowded machine may need a hundred times
 * longer than another, but then the processes use the processor all the while.
 */
export class Patience {
  readonly #quietMs: number;
  readonly #start: number;
  #mark: { readonly at: number; readonly workMs: number };

  /** @param quietMs how long the processes may be idle. @param now milliseconds. @param workMs processor time that they have used */
  constructor(quietMs: number, now: number, workMs: number) {
    this.#quietMs = quietMs;
    this.#start = now;
    this.#mark = { at: now, workMs };
  }

  /** @returns false when the processes have been idle for too long */
  isLeft(now: number, workMs: number): boolean {
    if (now - this.#start > MAX_MS) return false;
    if (workMs - this.#mark.workMs >= this.#quietMs * IDLE_SHARE) this.#mark = { at: now, workMs };
    return now - this.#mark.at <= this.#quietMs;
  }
}

/** Waits for a condition while processes work towards it. @param wait.workMs their processor time. @throws Error when they are idle */
export async function patiently(
  condition: () => boolean | Promise<boolean>,
  wait: { readonly what: string; readonly quietMs: number; readonly workMs: () => number },
): Promise<void> {
  const patience = new Patience(wait.quietMs, Date.now(), wait.workMs());
  for (; !(await condition()); await sleep(POLL_MS))
    if (!patience.isLeft(Date.now(), wait.workMs())) throw new Error(`${wait.what}: nothing has moved for ${wait.quietMs / 1000} s`);
}

/** Processor time of a process and of its children that have ended, in milliseconds; 0 for one that is gone. */
export function processorTime(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // Fields 14 to 17 of proc(5); the name in field 2 may contain spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * TICK_MS, 0);
  } catch {
    return 0;
  }
}
