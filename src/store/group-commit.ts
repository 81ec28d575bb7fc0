import type { Ports } from '../ports/ports.ts';
import { type Backoff, retryDelay } from '../ports/retry.ts';

/** Work that waits, and how to tell whoever waits for it. */
interface Waiting<Unit> {
  readonly work: (unit: Unit) => Promise<unknown>;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  /** How often another server was in its way. */
  yielded: number;
}

export interface CommitDriver<Unit> {
  /** Whether units of a batch are run side by side first, without savepoints. */
  readonly runsTogether: boolean;
  /** @param alone one unit only, which may wait for others' locks */
  begin(alone: boolean): Promise<void>;
  /** Starts a unit whose failure undoes it alone. */
  startUnit(): Promise<Unit>;
  undoUnit(unit: Unit): Promise<void>;
  /** Starts one that runs beside others. */
  startBeside(): Unit;
  /** Ends one that ran beside others and failed before it wrote anything. */
  dropUnit(unit: Unit): Promise<void>;
  hasWritten(unit: Unit): boolean;
  /** The unit's work is part of the transaction from here. */
  keepUnit(unit: Unit): void;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** An error after which nothing of the transaction can be kept (disk full, I/O error, connection lost). */
  isFatal(error: unknown): boolean;
  /** Another server holds what the unit needs: it is tried again by itself. */
  isContention(error: unknown): boolean;
  /** Any of the database's own: the transaction is not to be gone on with. */
  spoils(error: unknown): boolean;
}

/** How one that ran beside others ended: kept, to be run again alone, or with the whole transaction spoilt. */
type Beside<Unit> = { readonly answer: () => void } | { readonly aside: Waiting<Unit> } | { readonly error: unknown };

const MAX_BATCH = 256;
const MAX_YIELDS = 20;
const YIELD: Backoff = { firstMs: 5, maxMs: 50 };

/**
 * Lets writes that wait at the same time share one commit, which costs one sync to disk whatever it holds. A unit that
 * fails is undone alone; nobody is answered before the commit is on disk.
 *
 *   write ─┐
 *   write ─┼─▶ begin · unit · unit · unit · commit (fdatasync) ─▶ all answered
 *   write ─┘            each between savepoints
 *
 * A unit of a batch waits only briefly for what another server holds: it would keep the batch's own locks meanwhile. It is
 * put aside and then runs in a transaction of its own, which holds nothing while it waits.
 */
export class GroupCommit<Unit> {
  readonly #driver: CommitDriver<Unit>;
  readonly #ports: Pick<Ports, 'clock' | 'chance'>;
  readonly #queue: Waiting<Unit>[] = [];
  #running = false;
  #idle: (() => void)[] = [];

  constructor(driver: CommitDriver<Unit>, ports: Pick<Ports, 'clock' | 'chance'>) {
    this.#driver = driver;
    this.#ports = ports;
  }

  run<T>(work: (unit: Unit) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ work, resolve: resolve as (value: never) => void, reject, yielded: 0 });
      if (this.#running) return;
      this.#running = true;
      // Requests that arrived in the same turn of the event loop join the first batch.
      setImmediate(() => void this.#drain());
    });
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    if (!this.#running) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, MAX_BATCH);
      const yielded = await this.#commitBatch(batch, false);
      for (const waiting of yielded) await this.#runAlone(waiting);
    }
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #runAlone(waiting: Waiting<Unit>): Promise<void> {
    for (let again: Waiting<Unit>[] = [waiting]; again.length > 0; ) {
      if (waiting.yielded > 0) await this.#ports.clock.sleep(retryDelay(waiting.yielded, YIELD, this.#ports.chance));
      again = await this.#commitBatch(again, true);
    }
  }

  /** @returns units to be run alone: other servers were in their way */
  async #commitBatch(batch: readonly Waiting<Unit>[], alone: boolean): Promise<Waiting<Unit>[]> {
    const together = this.#driver.runsTogether && batch.length > 1 ? await this.#commitTogether(batch) : null;
    return together ?? this.#commitInTurn(batch, alone);
  }

  /**
   * All at once: their queries share round trips. One that fails before it wrote anything is run again in turn, where nothing that
   * is under way can have misled it; one that fails later spoils the transaction.
   * @returns units to be run alone; null where the whole batch has to be done again in turn
   */
  async #commitTogether(batch: readonly Waiting<Unit>[]): Promise<Waiting<Unit>[] | null> {
    let asides: Waiting<Unit>[] = [];
    let begun = false;
    try {
      await this.#driver.begin(false);
      begun = true;
      const outcomes = await Promise.all(batch.map((waiting) => this.#runBeside(waiting)));
      const fatal = outcomes.find((outcome) => 'error' in outcome && this.#driver.isFatal(outcome.error));
      if (fatal && 'error' in fatal) throw fatal.error;
      if (outcomes.some((outcome) => 'error' in outcome)) {
        await this.#driver.rollback();
        return null;
      }
      await this.#driver.commit();
      for (const outcome of outcomes) if ('answer' in outcome) outcome.answer();
      asides = outcomes.flatMap((outcome) => ('aside' in outcome ? [outcome.aside] : []));
    } catch (error) {
      if (begun) await this.#driver.rollback().catch(() => undefined);
      if (this.#driver.isContention(error)) return null;
      for (const { reject } of batch) reject(error);
      return [];
    }
    return asides.length === 0 ? [] : this.#commitInTurn(asides, false);
  }

  async #runBeside(waiting: Waiting<Unit>): Promise<Beside<Unit>> {
    const unit = this.#driver.startBeside();
    try {
      const value = await waiting.work(unit);
      this.#driver.keepUnit(unit);
      return { answer: () => waiting.resolve(value as never) };
    } catch (error) {
      const isSpoilt = this.#driver.hasWritten(unit) || this.#driver.spoils(error);
      await this.#driver.dropUnit(unit);
      return isSpoilt ? { error } : { aside: waiting };
    }
  }

  async #commitInTurn(batch: readonly Waiting<Unit>[], alone: boolean): Promise<Waiting<Unit>[]> {
    const answers: (() => void)[] = [];
    const yielded: Waiting<Unit>[] = [];
    let begun = false;
    try {
      await this.#driver.begin(alone);
      begun = true;
      for (const waiting of batch) {
        const answer = await this.#runOne(waiting);
        if (answer) answers.push(answer);
        else yielded.push(waiting);
      }
      await this.#driver.commit();
    } catch (error) {
      if (begun) await this.#driver.rollback().catch(() => undefined);
      return this.#again(batch, error);
    }
    for (const answer of answers) answer();
    return yielded;
  }

  /** @returns those of a batch that failed as a whole that are worth another try: other servers were in its way */
  #again(batch: readonly Waiting<Unit>[], error: unknown): Waiting<Unit>[] {
    if (this.#driver.isContention(error)) return batch.filter((waiting) => this.#mayYield(waiting, error));
    for (const { reject } of batch) reject(error);
    return [];
  }

  #mayYield(waiting: Waiting<Unit>, error: unknown): boolean {
    if (waiting.yielded++ < MAX_YIELDS) return true;
    waiting.reject(error);
    return false;
  }

  /** @returns null for a unit to be tried again. @throws a fatal error, for the whole batch */
  async #runOne(waiting: Waiting<Unit>): Promise<(() => void) | null> {
    const unit = await this.#driver.startUnit();
    try {
      const value = await waiting.work(unit);
      this.#driver.keepUnit(unit);
      return () => waiting.resolve(value as never);
    } catch (error) {
      if (this.#driver.isFatal(error)) throw error;
      await this.#driver.undoUnit(unit);
      if (this.#driver.isContention(error) && waiting.yielded++ < MAX_YIELDS) return null;
      return () => waiting.reject(error);
    }
  }
}
