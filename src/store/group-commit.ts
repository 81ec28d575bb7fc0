import { setTimeout as sleep } from 'node:timers/promises';

/** Work that waits, and how to tell whoever waits for it. */
interface Waiting<Unit> {
  readonly work: (unit: Unit) => Promise<unknown>;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  /** How often another server was in its way. */
  yielded: number;
}

export interface CommitDriver<Unit> {
  /** @param alone one unit only, which may wait for others' locks */
  begin(alone: boolean): Promise<void>;
  /** Starts a unit whose failure undoes it alone. */
  startUnit(): Promise<Unit>;
  undoUnit(): Promise<void>;
  /** The unit's work is part of the transaction from here. */
  keepUnit(unit: Unit): void;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** An error after which nothing of the transaction can be kept (disk full, I/O error, connection lost). */
  isFatal(error: unknown): boolean;
  /** Another server holds what the unit needs: it is tried again by itself. */
  isContention(error: unknown): boolean;
}

const MAX_BATCH = 256;
const MAX_YIELDS = 20;
const YIELD_MS = 5;

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
  readonly #queue: Waiting<Unit>[] = [];
  #running = false;
  #idle: (() => void)[] = [];

  constructor(driver: CommitDriver<Unit>) {
    this.#driver = driver;
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
      await sleep(Math.random() * YIELD_MS * waiting.yielded);
      again = await this.#commitBatch(again, true);
    }
  }

  /** @returns units that others were in the way of */
  async #commitBatch(batch: readonly Waiting<Unit>[], alone: boolean): Promise<Waiting<Unit>[]> {
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
      for (const { reject } of batch) reject(error);
      return [];
    }
    for (const answer of answers) answer();
    return yielded;
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
      await this.#driver.undoUnit();
      if (this.#driver.isContention(error) && waiting.yielded++ < MAX_YIELDS) return null;
      return () => waiting.reject(error);
    }
  }
}
