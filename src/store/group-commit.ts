import { FairQueue } from '../model/fair-queue.ts';
import type { Ports } from '../ports/ports.ts';
import { type Backoff, retryDelay } from '../ports/retry.ts';

/** Work that waits for its turn, and the promise of its caller. */
interface Waiting<Unit> {
  readonly work: (unit: Unit) => Promise<unknown>;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  /** Number of attempts that failed because of another server's lock. */
  yielded: number;
}

/** What a group commit needs of a database. All methods reject with the database's error. */
export interface CommitDriver<Unit> {
  /** Whether a batch first runs its units side by side, without savepoints. */
  readonly runsTogether: boolean;
  /** Starts a transaction. @param alone true for a transaction of one unit, which may wait for other servers' locks for longer */
  begin(alone: boolean): Promise<void>;
  /** Starts a unit after a savepoint, so that its failure can be undone alone. */
  startUnit(): Promise<Unit>;
  /** Rolls back to the unit's savepoint. */
  undoUnit(unit: Unit): Promise<void>;
  /** Starts a unit without a savepoint, beside others. */
  startBeside(): Unit;
  /** Ends a unit that ran beside others and failed before it wrote anything. */
  dropUnit(unit: Unit): Promise<void>;
  /** Whether the unit changed anything in the transaction. */
  hasWritten(unit: Unit): boolean;
  /** Makes the unit's work part of the transaction. */
  keepUnit(unit: Unit): void;
  /** Commits and resolves when the changes are on stable storage. */
  commit(): Promise<void>;
  /** Ends the transaction without a change. */
  rollback(): Promise<void>;
  /** Whether nothing of the transaction can be kept after this error (disk full, I/O error, connection lost). */
  isFatal(error: unknown): boolean;
  /** Whether another server holds a lock that the unit needs. The group commit repeats such a unit. */
  isContention(error: unknown): boolean;
  /** Whether the error is the database's own, so that the transaction must not continue. */
  spoils(error: unknown): boolean;
}

/** How a unit that ran beside others ended: it succeeded, it has to run again alone, or it spoilt the transaction. */
type Beside<Unit> = { readonly answer: () => void } | { readonly aside: Waiting<Unit> } | { readonly error: unknown };

const MAX_BATCH = 256;
const MAX_YIELDS = 20;
const YIELD: Backoff = { firstMs: 5, maxMs: 50 };

/**
 * Lets writes that wait at the same time share one commit, which costs one sync to disk whatever its size. The commit undoes a
 * failed unit alone, and answers no caller before the data is on disk.
 *
 *   write ─┐
 *   write ─┼─▶ begin · unit · unit · unit · commit (fdatasync) ─▶ all answered
 *   write ─┘            each between savepoints
 *
 * A unit of a batch waits only briefly for another server's lock, because it keeps the batch's own locks meanwhile. If it cannot
 * get the lock, it runs later in a transaction of its own, which holds nothing while it waits.
 *
 * When more units wait than a batch has, each owner gets as many of its places as another.
 */
export class GroupCommit<Unit> {
  readonly #driver: CommitDriver<Unit>;
  readonly #ports: Pick<Ports, 'clock' | 'chance'>;
  readonly #queue = new FairQueue<Waiting<Unit>>();
  #running = false;
  #commits = { count: 0, units: 0 };
  #idle: (() => void)[] = [];

  constructor(driver: CommitDriver<Unit>, ports: Pick<Ports, 'clock' | 'chance'>) {
    this.#driver = driver;
    this.#ports = ports;
  }

  /**
   * Runs `work` in the next batch that has room: owners take turns. It may run more than once.
   * @throws the error of `work`, or of the batch's commit
   */
  run<T>(work: (unit: Unit) => Promise<T>, owner = ''): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push(owner, { work, resolve: resolve as (value: never) => void, reject, yielded: 0 });
      if (this.#running) return;
      this.#running = true;
      // Requests that arrived in the same turn of the event loop join the first batch.
      setImmediate(() => void this.#drain());
    });
  }

  /** How many commits there were since the start, and how many units of work they held. */
  get commits(): { readonly count: number; readonly units: number } {
    return this.#commits;
  }

  /** Resolves when no unit waits or runs any more. */
  async idle(): Promise<void> {
    if (!this.#running) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #drain(): Promise<void> {
    while (this.#queue.size > 0) {
      const batch = this.#queue.take(MAX_BATCH);
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

  /** @returns the units that have to run alone, because another server's lock stopped them */
  async #commitBatch(batch: readonly Waiting<Unit>[], alone: boolean): Promise<Waiting<Unit>[]> {
    const together = this.#driver.runsTogether && batch.length > 1 ? await this.#commitTogether(batch) : null;
    return together ?? this.#commitInTurn(batch, alone);
  }

  /**
   * Runs all units at once, so that their queries share round trips. A unit that failed before it wrote anything runs again in
   * turn: it may have read another unit's unfinished work. A unit that failed after it wrote spoils the transaction.
   * @returns the units that have to run alone; null if the whole batch has to run again in turn
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
      await this.#commit(outcomes.filter((outcome) => 'answer' in outcome).length);
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

  async #commit(units: number): Promise<void> {
    await this.#driver.commit();
    this.#commits = { count: this.#commits.count + 1, units: this.#commits.units + units };
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
      await this.#commit(answers.length);
    } catch (error) {
      if (begun) await this.#driver.rollback().catch(() => undefined);
      return this.#again(batch, error);
    }
    for (const answer of answers) answer();
    return yielded;
  }

  /** @returns the units that are worth another attempt after their batch failed: those that another server's lock stopped */
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

  /**
   * @returns null for a unit to be tried again
   * @throws a fatal error, which fails the whole batch
   */
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
