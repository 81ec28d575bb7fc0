import pg from 'pg';
import type { Timer } from '../../ports/clock.ts';
import type { Ports } from '../../ports/ports.ts';
import { type Backoff, Retry } from '../../ports/retry.ts';
import { type ConnectionOptions, connectionConfig } from './connection.ts';

/** The channel of `notify`, without payload. */
export const CHANNEL = 'pinhole_events';
const RELISTEN: Backoff = { firstMs: 100, maxMs: 1_000 };

/**
 * Learns of events that any server committed. After the connection was lost, it assumes that it missed some. It connects for the
 * first callback, and again one second after the connection ended.
 */
export class EventListener {
  readonly #options: ConnectionOptions & Pick<Ports, 'clock' | 'chance'>;
  readonly #retry: Retry;
  readonly #callbacks: (() => void)[] = [];
  #client: pg.Client | null = null;
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: ConnectionOptions & Pick<Ports, 'clock' | 'chance'>) {
    this.#options = options;
    this.#retry = new Retry(RELISTEN, options.chance);
  }

  /** Calls `callback` after each notification and each connection. */
  add(callback: () => void): void {
    this.#callbacks.push(callback);
    if (this.#callbacks.length === 1) void this.#listen();
  }

  #fire(): void {
    for (const callback of this.#callbacks) callback();
  }

  /** Ends the connection for good. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#client?.end().catch(() => undefined);
  }

  async #listen(): Promise<void> {
    const client = new pg.Client(connectionConfig(this.#options));
    this.#client = client;
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      if (!this.#closed) this.#timer = this.#options.clock.after(this.#retry.failed(), () => void this.#listen());
      void client.end().catch(() => undefined);
    };
    client.on('error', end);
    client.on('end', end);
    client.on('notification', () => this.#fire());
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
      this.#retry.succeeded();
      this.#fire();
    } catch {
      end();
    }
  }
}
