import type { ExpectationChange } from '../contract/expectation.ts';
import type { Kernel } from '../kernel/interface.ts';
import type { Timer } from '../ports/clock.ts';
import type { Ports } from '../ports/ports.ts';

const MAX_WATCHERS = 64;

/** Sends expectations to the servers that follow them, for as long as each has asked for. */
export class ExpectationWatch {
  readonly #kernel: Kernel;
  readonly #tell: (topic: string, change: ExpectationChange) => Promise<void>;
  readonly #ports: Ports;
  readonly #watchers = new Map<string, Timer>();

  constructor(kernel: Kernel, tell: (topic: string, change: ExpectationChange) => Promise<void>, ports: Ports) {
    this.#kernel = kernel;
    this.#tell = tell;
    this.#ports = ports;
  }

  async watch(topic: string, seconds: number): Promise<void> {
    if (this.#watchers.size >= MAX_WATCHERS && !this.#watchers.has(topic)) return;
    this.#watchers.get(topic)?.cancel();
    this.#watchers.set(
      topic,
      this.#ports.clock.after(seconds * 1000, () => this.#forget(topic)),
    );
    await this.#kernel.watchExpectations(true);
  }

  onChange(change: ExpectationChange): void {
    for (const topic of this.#watchers.keys()) {
      this.#tell(topic, change).catch((error) =>
        this.#ports.logger.debug({ err: error }, 'an expectation did not reach a server that follows them'),
      );
    }
  }

  close(): void {
    for (const timer of this.#watchers.values()) timer.cancel();
    this.#watchers.clear();
  }

  #forget(topic: string): void {
    this.#watchers.delete(topic);
    if (this.#watchers.size === 0) this.#kernel.watchExpectations(false).catch(() => undefined);
  }
}
