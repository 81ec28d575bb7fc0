import { type Clock, sleepOn, type Timer } from '../../src/ports/clock.ts';

interface Scheduled {
  readonly at: number;
  readonly work: () => void;
}

/** Turns of the event loop that {@link TestClock.settle} lets pass: more than any chain of `setImmediate` in Pinhole takes. */
const TURNS = 10;
/** Work that schedules itself for at once, again and again, is a fault of the code under test. */
const MAX_STEPS = 100_000;

/**
 * A clock that stands still until a test advances it. Timers run in the order of their times, those of one time in the order in which
 * they were set; between two of them everything that needs no time settles.
 */
export class TestClock implements Clock {
  #wall: number;
  #elapsed = 0;
  readonly #scheduled = new Set<Scheduled>();

  constructor(start = '2026-01-01T00:00:00.000Z') {
    this.#wall = Date.parse(start);
  }

  now(): Date {
    return new Date(this.#wall + this.#elapsed);
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(ms: number, work: () => void): Timer {
    const entry = { at: this.#elapsed + Math.max(0, ms), work };
    this.#scheduled.add(entry);
    return { cancel: () => void this.#scheduled.delete(entry) };
  }

  every(ms: number, work: () => void): Timer {
    if (!(ms > 0)) throw new Error(`a timer every ${ms} ms`);
    let timer: Timer;
    const arm = () => {
      timer = this.after(ms, () => {
        arm();
        work();
      });
    };
    arm();
    return { cancel: () => timer.cancel() };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn((wait, work) => this.after(wait, work), ms, signal);
  }

  /** Timers that are set. */
  get waiting(): number {
    return this.#scheduled.size;
  }

  /** The wall clock is set to another time; durations and timers do not notice. */
  setWall(to: string | Date): void {
    this.#wall = new Date(to).getTime() - this.#elapsed;
  }

  /** In `ms` milliseconds from now, as RFC 3339. */
  in(ms: number): string {
    return new Date(this.now().getTime() + ms).toISOString();
  }

  /** Lets `ms` milliseconds pass: runs what is due in them, and what that leads to. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await this.settle();
    for (let steps = 0; ; steps++) {
      const next = this.#next();
      if (!next || next.at > end) break;
      if (steps === MAX_STEPS) throw new Error(`${MAX_STEPS} timers in ${ms} ms`);
      await this.#run(next);
    }
    this.#elapsed = end;
  }

  /** Advances from timer to timer until `condition` holds. @throws when it does not within `withinMs` of this clock's time */
  async until(condition: () => boolean, withinMs = 60_000): Promise<void> {
    const end = this.#elapsed + withinMs;
    await this.settle();
    while (!condition()) {
      const next = this.#next();
      if (!next || next.at > end) throw new Error(`not within ${withinMs} ms of the test's clock: ${condition}`);
      await this.#run(next);
    }
  }

  /** Lets promises settle, without letting time pass. Real input and output may take longer: await that by itself. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  async #run(entry: Scheduled): Promise<void> {
    this.#elapsed = Math.max(this.#elapsed, entry.at);
    this.#scheduled.delete(entry);
    entry.work();
    await this.settle();
  }

  #next(): Scheduled | null {
    let first: Scheduled | null = null;
    for (const entry of this.#scheduled) if (!first || entry.at < first.at) first = entry;
    return first;
  }
}
