import { asReason } from '../contract/primitives.ts';
import type { RouterReport } from '../contract/status.ts';
import type { Timer } from '../ports/clock.ts';
import type { Ports } from '../ports/ports.ts';
import { type Backoff, Retry } from '../ports/retry.ts';
import { MAX_REPORTS } from '../wire/messages.ts';
import type { OwnState, Source } from './source.ts';

/** Reports of a burst travel together. */
const COLLECT_MS = 5;
const RETRY: Backoff = { firstMs: 250, maxMs: 1_000 };

/** Tells the server what became of each router, and that this agent lives. Only what changed is sent; nothing is lost. */
export class Reporter {
  readonly #source: Source;
  readonly #ports: Ports;
  readonly #retry: Retry;
  readonly #last = new Map<string, { readonly report: RouterReport; readonly text: string }>();
  readonly #pending = new Set<string>();
  #timer: Timer | null = null;
  #sending = false;
  #closed = false;

  constructor(source: Source, ports: Ports) {
    this.#source = source;
    this.#ports = ports;
    this.#retry = new Retry(RETRY, ports.chance);
  }

  /** The last report of each router that has one. */
  reports(): RouterReport[] {
    return [...this.#last.values()].map(({ report }) => report);
  }

  /** Sends a report soon, unless it says what the last one of this router said. Reasons may be any text: they are made to fit. */
  report(given: RouterReport): void {
    const report = fitting(given);
    const text = JSON.stringify(report);
    if (this.#last.get(report.routerId)?.text === text) return;
    this.#last.set(report.routerId, { report, text });
    this.#pending.add(report.routerId);
    this.#schedule(COLLECT_MS);
  }

  /** The router is not this host's any more. */
  forget(routerId: string): void {
    this.#last.delete(routerId);
    this.#pending.delete(routerId);
  }

  /** A server that is new or back may know nothing. */
  resendAll(): void {
    for (const id of this.#last.keys()) this.#pending.add(id);
    this.#schedule(COLLECT_MS);
  }

  /** Sent once: the next one says the same. */
  async heartbeat(state: OwnState): Promise<void> {
    try {
      await this.#source.reportState(state);
    } catch (error) {
      this.#ports.logger.debug({ err: error }, 'the heartbeat did not reach the server');
    }
  }

  /** Sends nothing more. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #schedule(wait: number): void {
    if (this.#closed || this.#sending || this.#timer || this.#pending.size === 0) return;
    this.#timer = this.#ports.clock.after(wait, () => {
      this.#timer = null;
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    const ids = [...this.#pending].slice(0, MAX_REPORTS);
    for (const id of ids) this.#pending.delete(id);
    const reports = ids.flatMap((id) => this.#last.get(id)?.report ?? []);
    this.#sending = true;
    let wait = COLLECT_MS;
    try {
      if (reports.length > 0) await this.#source.reportStatus(reports);
      this.#retry.succeeded();
    } catch (error) {
      this.#ports.logger.debug({ err: error }, 'status did not reach the server; it is sent again');
      for (const id of ids) if (this.#last.has(id)) this.#pending.add(id);
      wait = this.#retry.failed();
    }
    this.#sending = false;
    this.#schedule(wait);
  }
}

function fitting(report: RouterReport): RouterReport {
  const helpers = report.helpers.map(({ helperId, families }) => ({
    helperId,
    families: families.map((family) => ({ ...family, reason: asReason(family.reason) })),
  }));
  return { ...report, reason: asReason(report.reason), helpers };
}
