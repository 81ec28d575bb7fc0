import type { Timer } from './clock.ts';
import type { Ports } from './ports.ts';

/** Timers of one owner, which end with it. */
export class Timers {
  readonly #ports: Pick<Ports, 'clock' | 'chance'>;
  readonly #timers = new Set<Timer>();
  #closed = false;

  constructor(ports: Pick<Ports, 'clock' | 'chance'>) {
    this.#ports = ports;
  }

  /** Runs `work` once, after `ms` milliseconds, unless {@link close} comes first. */
  after(ms: number, work: () => void): void {
    if (this.#closed) return;
    const timer = this.#ports.clock.after(ms, () => {
      this.#timers.delete(timer);
      work();
    });
    this.#timers.add(timer);
  }

  /** Runs `work` about every `ms` milliseconds, each time up to a quarter earlier or later: many hosts do not do it at once. */
  everyAbout(ms: number, work: () => void): void {
    this.after(ms * (0.75 + this.#ports.chance() / 2), () => {
      work();
      this.everyAbout(ms, work);
    });
  }

  /** Nothing runs any more. */
  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}
