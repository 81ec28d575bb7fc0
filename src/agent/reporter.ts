import { asReason } from '../contract/primitives.ts';
import type { RouterReport } from '../contract/status.ts';
import type { Timer } from '../ports/clock.ts';
import type { Ports } from '../ports/ports.ts';
import { type Backoff, Retry } from '../ports/retry.ts';
import { MAX_REPORTS } from '../wire/messages.ts';
import type { OwnState, Source } from './source.ts';
import { type Ageing, aged, hasStatus, type Moment, type SyncReport, timed } from './verification.ts';

/** Reports of a burst travel together. */
/** Characters of the reports in one message. With times, longer names on the wire and escapes, they take less than four times as many bytes. */
const MAX_TEXT = 2 * 1024 * 1024;
const COLLECT_MS = 5;
const RETRY: Backoff = { firstMs: 250, maxMs: 1_000 };
/** The text of what the server has, where an answer was lost. No report has it. */
const UNKNOWN = '';

/** What is known of one router. */
interface Entry {
  readonly synced: SyncReport;
  /** When the kernel was last seen to hold what `synced` calls ACTIVE; null: it holds nothing. */
  readonly verified: Moment | null;
  /** What is said of it: `synced`, or STALE where that is too old. */
  readonly said: SyncReport;
  /** `said` as text, which tells whether there is anything new to say. */
  readonly text: string;
  /** What the server has of it; null: nothing that this agent knows of. */
  readonly held: Held | null;
}

/** A report that the server has saved, or may have. */
interface Held {
  readonly text: string;
  readonly hasActive: boolean;
  /** When what it calls ACTIVE was last verified, where the agent says otherwise by now. */
  readonly verified: Moment | null;
}

/**
 * Tells the server what became of each router, and that this agent lives. Only what changed is sent; nothing is lost. That what was
 * said still holds is not said router by router: {@link oldestVerification} says it of all at once, in each heartbeat.
 */
export class Reporter {
  readonly #source: Source;
  readonly #ports: Ports;
  readonly #ageing: Ageing;
  readonly #retry: Retry;
  readonly #entries = new Map<string, Entry>();
  readonly #pending = new Set<string>();
  #timer: Timer | null = null;
  #sending = false;
  #closed = false;

  constructor(source: Source, ports: Ports, ageing: Ageing) {
    this.#source = source;
    this.#ports = ports;
    this.#ageing = ageing;
    this.#retry = new Retry(RETRY, ports.chance);
  }

  /** The last report of each router that has one, as of now. */
  reports(): RouterReport[] {
    this.age();
    return [...this.#entries.values()].map(({ said, verified }) => timed(said, verified, this.#ports.clock));
  }

  /** What the last sync of a router came to. */
  synced(routerId: string): SyncReport | null {
    return this.#entries.get(routerId)?.synced ?? null;
  }

  /**
   * Sends a report soon, unless it says what the last one of this router said. Reasons may be any text: they are made to fit.
   * @param verified when the kernel was seen to hold what the report calls ACTIVE; null for the time that is known already
   */
  report(given: SyncReport, verified: Moment | null = null): void {
    const entry = this.#entries.get(given.routerId);
    const known = hasStatus(given, 'ACTIVE') || hasStatus(given, 'STALE') ? (entry?.verified ?? null) : null;
    this.#say(fitting(given), latest(known, verified), entry);
  }

  /** The kernel was seen, at `moment` or later, to hold what the router's last sync came to. */
  verified(routerId: string, moment: Moment): void {
    const entry = this.#entries.get(routerId);
    if (entry && entry.verified !== null) this.#say(entry.synced, latest(entry.verified, moment), entry);
  }

  /** Looks at the age of all verifications. */
  age(): void {
    for (const entry of this.#entries.values()) this.#say(entry.synced, entry.verified, entry);
  }

  /**
   * The moment since which the kernel was seen to hold every helper that is ACTIVE in the reports that the server has; null: nothing can
   * be said. A report that is on its way does not count: until it has arrived, the server has the one before, whose time stands still.
   */
  oldestVerification(): Moment | null {
    let oldest: Moment | null = null;
    for (const { held, text, verified } of this.#entries.values()) {
      if (held?.hasActive) oldest = earliest(oldest, held.text === text ? verified : held.verified);
    }
    return oldest;
  }

  /** Whether the server has a report of this router. */
  isHeld(routerId: string): boolean {
    return (this.#entries.get(routerId)?.held?.text ?? UNKNOWN) !== UNKNOWN;
  }

  /** The router is not this host's any more. */
  forget(routerId: string): void {
    this.#entries.delete(routerId);
    this.#pending.delete(routerId);
  }

  /** A server that is new or back may know nothing. */
  resendAll(): void {
    for (const [id, entry] of this.#entries) {
      this.#entries.set(id, { ...entry, held: null });
      this.#pending.add(id);
    }
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

  #say(synced: SyncReport, verified: Moment | null, before: Entry | undefined): void {
    const { routerId } = synced;
    const said = aged(synced, verified, this.#ageing, this.#ports.clock);
    const text = said === before?.said ? before.text : JSON.stringify(said);
    const isNew = text !== before?.text;
    const held =
      isNew && before?.held?.text === before?.text && before?.held ? { ...before.held, verified: before.verified } : before?.held;
    this.#entries.set(routerId, { synced, verified, said, text, held: held ?? null });
    if (!isNew) return;
    this.#pending.add(routerId);
    this.#schedule(COLLECT_MS);
  }

  #schedule(wait: number): void {
    if (this.#closed || this.#sending || this.#timer || this.#pending.size === 0) return;
    this.#timer = this.#ports.clock.after(wait, () => {
      this.#timer = null;
      void this.#send();
    });
  }

  /** The routers whose reports go with the next message; one at least. A bus takes messages up to a size, and refuses a larger one each time. */
  #fitting(): string[] {
    const ids: string[] = [];
    let size = 0;
    for (const id of this.#pending) {
      size += this.#entries.get(id)?.text.length ?? 0;
      if (ids.length > 0 && (size > MAX_TEXT || ids.length === MAX_REPORTS)) break;
      ids.push(id);
    }
    return ids;
  }

  async #send(): Promise<void> {
    const { clock } = this.#ports;
    const ids = this.#fitting();
    for (const id of ids) this.#pending.delete(id);
    const sent = ids.flatMap((id) => this.#entries.get(id) ?? []);
    this.#sending = true;
    let wait = COLLECT_MS;
    try {
      const reports = sent.map(({ said, verified }) => timed(said, verified, clock));
      if (reports.length > 0) await this.#source.reportStatus(reports, clock.now().toISOString());
      for (const entry of sent) this.#onSent(entry, true);
      this.#retry.succeeded();
    } catch (error) {
      this.#ports.logger.debug({ err: error }, 'status did not reach the server; it is sent again');
      for (const entry of sent) this.#onSent(entry, false);
      wait = this.#retry.failed();
    }
    this.#sending = false;
    this.#schedule(wait);
  }

  /** A report whose answer was lost may have been saved, or not: until it was sent again, what is older counts. */
  #onSent({ synced: { routerId }, said, text, verified }: Entry, isSaved: boolean): void {
    const entry = this.#entries.get(routerId);
    if (!entry) return;
    const hasActive = hasStatus(said, 'ACTIVE');
    const before = entry.held?.hasActive ? entry.held : null;
    const held = isSaved
      ? { text, hasActive, verified }
      : {
          text: UNKNOWN,
          hasActive: hasActive || before !== null,
          verified: earliest(hasActive ? verified : null, before?.verified ?? null),
        };
    this.#entries.set(routerId, { ...entry, held });
    if (!isSaved) this.#pending.add(routerId);
  }
}

function latest(a: Moment | null, b: Moment | null): Moment | null {
  return a === null || (b !== null && b.monotonic > a.monotonic) ? b : a;
}

function earliest(a: Moment | null, b: Moment | null): Moment | null {
  return a === null || (b !== null && b.monotonic < a.monotonic) ? b : a;
}

function fitting(report: SyncReport): SyncReport {
  const helpers = report.helpers.map(({ helperId, families }) => ({
    helperId,
    families: families.map((family) => ({ ...family, reason: asReason(family.reason) })),
  }));
  return { ...report, reason: asReason(report.reason), helpers };
}
