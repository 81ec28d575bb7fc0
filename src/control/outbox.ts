import type { Bus } from '../bus/interface.ts';
import type { Timer } from '../ports/clock.ts';
import type { Ports } from '../ports/ports.ts';
import type { OutboxItem, Store } from '../store/interface.ts';
import { hintOf } from '../wire/hint.ts';
import { hintTopic, METHODS } from '../wire/topics.ts';

const PAGE = 500;
/** Sent rows are deleted together a little later. One commit per row would halve the write rate. */
const CLEAN_AFTER_MS = 200;
/** Interval of looking for unsent hints: this server's own from when the bus was away, and those of servers that died. */
const SWEEP_MS = 5_000;
/** Age at which another server's unsent hint counts as left behind. */
const FORSAKEN_AFTER_MS = 5_000;

/**
 * Sends the hints in the outbox. A change writes its hints in its own transaction, under the name of the server that makes it. If
 * that server dies between commit and hint, another server adopts the rows. A hint may be sent twice, and is deleted only after
 * the bus took it.
 *
 *   change + rows ─ commit ─▶ wake ─▶ read rows ─▶ cast to hosts ─▶ delete rows (later, together)
 *                                         ▲
 *   rows of a dead server ── adopt ───────┘  (every 5 s)
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

  /** Sends existing hints, and starts looking for unsent ones at intervals. */
  start(): void {
    this.#sweep = this.#ports.clock.every(SWEEP_MS, () => void this.#adopt());
    this.wake();
  }

  /** Sends new hints. Called after each commit that may have left some; returns at once. */
  wake(): void {
    if (this.#closed) return;
    if (this.#running !== null) {
      this.#again = true;
      return;
    }
    this.#running = this.#deliver()
      .catch((error) => this.#ports.logger.warn({ err: error }, 'hints could not be sent and will be tried again'))
      .finally(() => {
        this.#running = null;
        if (this.#again) {
          this.#again = false;
          this.wake();
        }
      });
  }

  /** Waits until hints under way are sent and their rows deleted. */
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

  /** Takes over the hints that other servers left behind, as new rows of this server. */
  async #adopt(): Promise<void> {
    const { chain, read } = this.#store;
    const now = this.#ports.clock.now().getTime();
    const before = new Date(now - FORSAKEN_AFTER_MS).toISOString();
    try {
      const taken = { before, at: new Date(now).toISOString(), limit: PAGE };
      if (await read.hasForsakenOutbox(chain, before))
        while (!this.#closed && (await this.#store.write((tx) => tx.adoptOutbox(taken))) === PAGE);
    } catch (error) {
      this.#ports.logger.debug({ err: error }, 'hints of other servers could not be read and will be tried again');
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
      this.#ports.logger.warn({ err: error }, 'sent hints could not be deleted from the outbox yet');
    }
  }
}

function byHost(items: readonly OutboxItem[]): Map<string, string[]> {
  const hosts = new Map<string, string[]>();
  for (const { host, routerId } of items) hosts.set(host, [...(hosts.get(host) ?? []), routerId]);
  return hosts;
}
