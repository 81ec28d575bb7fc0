/** A progress bar on standard error. It appears after a second, and only if standard error is a terminal. */
export class Progress {
  readonly #label: string;
  readonly #visible = process.stderr.isTTY === true;
  readonly #startedAt = Date.now();
  #drawnAt = 0;

  constructor(label: string) {
    this.#label = label;
  }

  /** Draws the bar, at most ten times a second. */
  update(done: number, total: number): void {
    const now = Date.now();
    if (!this.#visible || now - this.#startedAt < 1000 || now - this.#drawnAt < 100) return;
    this.#drawnAt = now;
    const width = 24;
    const filled = total > 0 ? Math.round((done / total) * width) : 0;
    process.stderr.write(`\r${this.#label} [${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${done}/${total}`);
  }

  /** Erases the bar. */
  end(): void {
    if (this.#drawnAt > 0) process.stderr.write('\r\u001b[K');
  }
}
