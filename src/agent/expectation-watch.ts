import type { ExpectationChange } from '../contract/expectation.ts';
import type { Kernel } from '../kernel/interface.ts';
import type { Logger } from '../ports/logger.ts';

const MAX_WATCHERS = 64;

/** Sends expectations to the servers where somebody watches, for as long as each has asked for. */
export class ExpectationWatch {
  readonly #kernel: Kernel;
  readonly #tell: (topic: string, change: ExpectationChange) => Promise<void>;
  readonly #logger: Logger;
  readonly #watchers = new Map<string, NodeJS.Timeout>();

  constructor(kernel: Kernel, tell: (topic: string, change: ExpectationChange) => Promise<void>, logger: Logger) {
    this.#kernel = kernel;
    this.#tell = tell;
    this.#logger = logger;
  }

  async watch(topic: string, seconds: number): Promise<void> {
    if (this.#watchers.size >= MAX_WATCHERS && !this.#watchers.has(topic)) return;
    clearTimeout(this.#watchers.get(topic));
    this.#watchers.set(
      topic,
      setTimeout(() => this.#forget(topic), seconds * 1000),
    );
    await this.#kernel.watchExpectations(true);
  }

  onChange(change: ExpectationChange): void {
    for (const topic of this.#watchers.keys()) {
      this.#tell(topic, change).catch((error) => this.#logger.debug({ err: error }, 'an expectation did not reach who watches'));
    }
  }

  close(): void {
    for (const timer of this.#watchers.values()) clearTimeout(timer);
    this.#watchers.clear();
  }

  #forget(topic: string): void {
    this.#watchers.delete(topic);
    if (this.#watchers.size === 0) this.#kernel.watchExpectations(false).catch(() => undefined);
  }
}
