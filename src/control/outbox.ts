import type { Bus } from '../bus/interface.ts';
import type { Logger } from '../ports/logger.ts';
import type { OutboxItem, Store } from '../store/interface.ts';
import { hintOf } from '../wire/hint.ts';
import { hintTopic, METHODS } from '../wire/topics.ts';

const PAGE = 500;
/** Delivered rows are deleted together a little later: a commit of their own for each would halve the write rate. */
const CLEAN_AFTER_MS = 200;
/** How often hints are looked for that were not delivered: own ones while the bus was away, and those of servers that died. */
const SWEEP_MS = 5_000;
const FORSAKEN_AFTER_MS = 5_000;

/**
 * Turns the outbox into hints. Rows are written in the transaction of the change, for the server that makes it, so that one
 * that dies between commit and hint leaves them for another. A hint may be sent twice; none is dropped before the bus took it.
 */
export class Outbox {
  readonly #store: Store;
  readonly #bus: Bus;
  readonly #logger: Logger;
  readonly #sweep: NodeJS.Timeout;
  #delivered = 0;
  #cleaned = 0;
  #running: Promise<void> | null = null;
  #again = false;
  #cleaning: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(store: Store, bus: Bus, logger: Logger) {
    this.#store = store;
    this.#bus = bus;
    this.#logger = logger;
    this.#sweep = setInterval(() => void this.#adopt(), SWEEP_MS);
    this.#sweep.unref();
    bus.onLink((up) => up && this.wake());
  }

  /** Something was committed. */
  wake(): void {
    if (this.#closed) return;
    if (this.#running !== null) {
      this.#again = true;
      return;
    }
    this.#running = this.#deliver()
      .catch((error) => this.#logger.warn({ err: error }, 'hints could not be delivered; they are tried again'))
      .finally(() => {
        this.#running = null;
        if (this.#again) {
          this.#again = false;
          this.wake();
        }
      });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweep);
    if (this.#cleaning) clearTimeout(this.#cleaning);
    await this.#running;
    await this.#clean();
  }

  async #deliver(): Promise<void> {
    for (;;) {
      const items = await this.#store.read.outbox(this.#store.chain, this.#delivered, PAGE);
      if (items.length === 0) return;
      await Promise.all([...byHost(items)].map(([host, routers]) => this.#bus.cast(hintTopic(host), METHODS.push, hintOf(routers))));
      this.#delivered = (items.at(-1) as OutboxItem).id;
      this.#cleaning ??= setTimeout(() => void this.#clean(), CLEAN_AFTER_MS);
    }
  }

  /** Takes over what other servers left, as rows of this one's own. */
  async #adopt(): Promise<void> {
    const { chain, read } = this.#store;
    const now = Date.now();
    const before = new Date(now - FORSAKEN_AFTER_MS).toISOString();
    try {
      const taken = { before, at: new Date(now).toISOString(), limit: PAGE };
      if (await read.hasForsakenOutbox(chain, before))
        while (!this.#closed && (await this.#store.write((tx) => tx.adoptOutbox(taken))) === PAGE);
    } catch (error) {
      this.#logger.debug({ err: error }, 'hints of other servers could not be looked for; tried again');
    }
    this.wake();
  }

  async #clean(): Promise<void> {
    this.#cleaning = null;
    const upTo = this.#delivered;
    if (upTo === this.#cleaned) return;
    try {
      await this.#store.write((tx) => tx.deleteOutbox(upTo));
      this.#cleaned = upTo;
    } catch (error) {
      this.#logger.warn({ err: error }, 'delivered hints stay in the outbox for now');
    }
  }
}

function byHost(items: readonly OutboxItem[]): Map<string, string[]> {
  const hosts = new Map<string, string[]>();
  for (const { host, routerId } of items) hosts.set(host, [...(hosts.get(host) ?? []), routerId]);
  return hosts;
}
