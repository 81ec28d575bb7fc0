import type { Arguments } from '../bus/interface.ts';
import { METHODS } from '../bus/topics.ts';
import type { Kernel } from '../kernel/interface.ts';
import type { Expectation } from '../model/status.ts';
import type { Logger } from '../ports/logger.ts';

const MAX_WATCHERS = 64;

export interface ExpectationChange {
  readonly routerId: string;
  readonly change: 'new' | 'gone';
  readonly expectation: Expectation;
}

/** Sends expectations to the servers where somebody watches, for as long as each has asked for. */
export class ExpectationWatch {
  readonly #kernel: Kernel;
  readonly #tell: (topic: string, method: string, args: Arguments) => Promise<void>;
  readonly #logger: Logger;
  readonly #watchers = new Map<string, NodeJS.Timeout>();

  constructor(kernel: Kernel, tell: (topic: string, method: string, args: Arguments) => Promise<void>, logger: Logger) {
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

  onChange({ routerId, change, expectation }: ExpectationChange): void {
    for (const topic of this.#watchers.keys()) {
      this.#tell(topic, METHODS.expectation, { router_id: routerId, change, expectation }).catch((error) =>
        this.#logger.debug({ err: error }, 'an expectation did not reach who watches'),
      );
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
