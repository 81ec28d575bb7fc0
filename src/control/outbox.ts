import type { Bus } from '../bus/interface.ts';
import type { Timer } from '../ports/clock.ts';
import type { Ports } from '../ports/ports.ts';
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
  readonly #ports: Ports;
  #delivered = 0;
  #cleaned = 0;
  #running: Promise<void> | null = null;
  #again = false;
  #sweep: Timer | null = null;
  #cleaning: Timer | null = null;
  #closed = false;

  constructor(store: Store, bus: Bus, ports: Ports) {
    this.#store = store;
    this.#bus = bus;
    this.#ports = ports;
    bus.onLink((up) => up && this.wake());
  }

  /** Delivers what is there, and from then on looks for hints that were not delivered. */
  start(): void {
    this.#sweep = this.#ports.clock.every(SWEEP_MS, () => void this.#adopt());
    this.wake();
  }

  /** Something was committed. */
  wake(): void {
    if (this.#closed) return;
    if (this.#running !== null) {
      this.#again = true;
      return;
    }
    this.#running = this.#deliver()
      .catch((error) => this.#ports.logger.warn({ err: error }, 'hints could not be delivered; they are tried again'))
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
    this.#sweep?.cancel();
    this.#cleaning?.cancel();
    await this.#running;
    await this.#clean();
  }

  async #deliver(): Promise<void> {
    for (;;) {
      const items = await this.#store.read.outbox(this.#store.chain, this.#delivered, PAGE);
      if (items.length === 0) return;
      await Promise.all([...byHost(items)].map(([host, routers]) => this.#bus.cast(hintTopic(host), METHODS.push, hintOf(routers))));
      this.#delivered = (items.at(-1) as OutboxItem).id;
      this.#cleaning ??= this.#ports.clock.after(CLEAN_AFTER_MS, () => void this.#clean());
    }
  }

  /** Takes over what other servers left, as rows of this one's own. */
  async #adopt(): Promise<void> {
    const { chain, read } = this.#store;
    const now = this.#ports.clock.now().getTime();
    const before = new Date(now - FORSAKEN_AFTER_MS).toISOString();
    try {
      const taken = { before, at: new Date(now).toISOString(), limit: PAGE };
      if (await read.hasForsakenOutbox(chain, before))
        while (!this.#closed && (await this.#store.write((tx) => tx.adoptOutbox(taken))) === PAGE);
    } catch (error) {
      this.#ports.logger.debug({ err: error }, 'hints of other servers could not be looked for; tried again');
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
      this.#ports.logger.warn({ err: error }, 'delivered hints stay in the outbox for now');
    }
  }
}

function byHost(items: readonly OutboxItem[]): Map<string, string[]> {
  const hosts = new Map<string, string[]>();
  for (const { host, routerId } of items) hosts.set(host, [...(hosts.get(host) ?? []), routerId]);
  return hosts;
}
