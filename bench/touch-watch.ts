import { performance } from 'node:perf_hooks';
import { LinuxKernel } from '../src/kernel/linux/linux-kernel.ts';
import { silentLogger } from '../src/ports/logger.ts';

/** A commit, as the kernel reports it. */
export interface Touch {
  readonly at: number;
  readonly by: string;
}

/** Reports every commit to Pinhole's table in a namespace, except those of this process. */
export class TouchWatch {
  readonly touches: Touch[] = [];
  readonly #kernel: LinuxKernel;
  #onTouch: () => void = () => undefined;

  constructor(netns: string) {
    this.#kernel = new LinuxKernel({ allowed: (name) => name === netns, logger: silentLogger });
    this.#kernel.onEvent((event) => {
      if (event.event !== 'touched') return;
      this.touches.push({ at: performance.now(), by: event.by });
      this.#onTouch();
    });
  }

  async start(netns: string): Promise<this> {
    await this.#kernel.observe([{ netns, known: null }]);
    return this;
  }

  /** Waits until this many commits were reported since the list was emptied. */
  next(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#onTouch = () => this.touches.length >= count && resolve();
      this.#onTouch();
    });
  }

  close(): Promise<void> {
    return this.#kernel.close();
  }
}
