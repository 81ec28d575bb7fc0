import type { ExpectationChange } from '../contract/expectation.ts';
import type { Netns } from '../contract/netns.ts';
import type { Kernel } from '../kernel/interface.ts';
import { isWatched, type Watched, watchedByAny } from '../model/watched.ts';
import type { Timer } from '../ports/clock.ts';
import type { Ports } from '../ports/ports.ts';

const MAX_WATCHERS = 64;

/** What a server asks for: changes in these routers, by id, sent to its topic for some seconds. */
export interface WatchRequest {
  readonly topic: string;
  readonly seconds: number;
  readonly routers: Watched;
}

interface Watcher {
  readonly routers: Watched;
  readonly end: Timer;
}

/** What the watch needs of its agent. */
export interface WatchParts {
  readonly kernel: Kernel;
  /** Sends a change to a server. */
  readonly tell: (topic: string, change: ExpectationChange) => Promise<void>;
  /** The namespace of a router that this host serves; null for another one. */
  readonly netnsOf: (routerId: string) => Netns | null;
}

/**
 * Sends expectations to the servers that follow them, for as long as each has asked for. The kernel tells them of watched routers only:
 * a router that nothing watches costs nothing.
 */
export class ExpectationWatch {
  readonly #parts: WatchParts;
  readonly #ports: Ports;
  readonly #watchers = new Map<string, Watcher>();

  constructor(parts: WatchParts, ports: Ports) {
    this.#parts = parts;
    this.#ports = ports;
  }

  /** Begins or prolongs a server's watch. What it asked for before no longer counts. */
  async watch({ topic, seconds, routers }: WatchRequest): Promise<void> {
    if (this.#watchers.size >= MAX_WATCHERS && !this.#watchers.has(topic)) return;
    this.#watchers.get(topic)?.end.cancel();
    this.#watchers.set(topic, { routers, end: this.#ports.clock.after(seconds * 1000, () => this.#forget(topic)) });
    await this.#askKernel();
  }

  onChange(change: ExpectationChange): void {
    for (const [topic, { routers }] of this.#watchers) {
      if (!isWatched(routers, change.routerId)) continue;
      this.#parts
        .tell(topic, change)
        .catch((error) => this.#ports.logger.debug({ err: error }, 'an expectation did not reach a server that follows them'));
    }
  }

  close(): void {
    for (const { end } of this.#watchers.values()) end.cancel();
    this.#watchers.clear();
  }

  #forget(topic: string): void {
    this.#watchers.delete(topic);
    this.#askKernel().catch(() => undefined);
  }

  #askKernel(): Promise<void> {
    const { kernel, netnsOf } = this.#parts;
    const routers = watchedByAny([...this.#watchers.values()].map((watcher) => watcher.routers));
    return kernel.watchExpectations(routers && new Set([...routers].flatMap((id) => netnsOf(id) ?? [])));
  }
}
