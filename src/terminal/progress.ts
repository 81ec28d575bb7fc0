import type { Clock } from '../ports/clock.ts';

/** A progress bar on standard error. It appears after a second, and only if standard error is a terminal. */
export class Progress {
  readonly #label: string;
  readonly #clock: Clock;
  readonly #visible = process.stderr.isTTY === true;
  readonly #startedAt: number;
  #drawnAt: number | null = null;

  constructor(label: string, clock: Clock) {
    this.#label = label;
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
  }

  /** Draws the bar, at most ten times a second. */
  update(done: number, total: number): void {
    const now = this.#clock.monotonic();
    if (!this.#visible || now - this.#startedAt < 1000 || now - (this.#drawnAt ?? this.#startedAt) < 100) return;
    this.#drawnAt = now;
    const width = 24;
    const filled = total > 0 ? Math.round((done / total) * width) : 0;
    process.stderr.write(`\r${this.#label} [${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${done}/${total}`);
  }

  /** Erases the bar. */
  end(): void {
    if (this.#drawnAt !== null) process.stderr.write('\r\u001b[K');
  }
}
