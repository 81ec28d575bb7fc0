/** Work that waits, and how to tell whoever waits for it. */
interface Waiting<Tx> {
  readonly work: (tx: Tx) => Promise<unknown>;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

export interface CommitDriver<Tx> {
  begin(): Promise<Tx>;
  /** Runs one unit so that its failure undoes it alone. @throws whatever the work throws */
  isolated<T>(tx: Tx, work: (tx: Tx) => Promise<T>): Promise<T>;
  commit(tx: Tx): Promise<void>;
  rollback(tx: Tx): Promise<void>;
  /** An error after which nothing of the transaction can be kept (disk full, I/O error). */
  isFatal(error: unknown): boolean;
}

const MAX_BATCH = 256;

/**
 * Lets writes that wait at the same time share one commit, which costs one sync to disk whatever it holds. A unit that
 * fails is undone alone; nobody is answered before the commit is on disk.
 *
 *   write ─┐
 *   write ─┼─▶ begin · unit · unit · unit · commit (fdatasync) ─▶ all answered
 *   write ─┘            each between savepoints
 */
export class GroupCommit<Tx> {
  readonly #driver: CommitDriver<Tx>;
  readonly #queue: Waiting<Tx>[] = [];
  #running = false;
  #idle: (() => void)[] = [];

  constructor(driver: CommitDriver<Tx>) {
    this.#driver = driver;
  }

  run<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ work, resolve: resolve as (value: never) => void, reject });
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
    while (this.#queue.length > 0) await this.#commitBatch(this.#queue.splice(0, MAX_BATCH));
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #commitBatch(batch: readonly Waiting<Tx>[]): Promise<void> {
    const answers: (() => void)[] = [];
    let tx: Tx | null = null;
    try {
      tx = await this.#driver.begin();
      for (const waiting of batch) answers.push(await this.#runOne(tx, waiting));
      await this.#driver.commit(tx);
    } catch (error) {
      if (tx !== null) await this.#driver.rollback(tx).catch(() => undefined);
      for (const { reject } of batch) reject(error);
      return;
    }
    for (const answer of answers) answer();
  }

  /** @throws a fatal error, for the whole batch */
  async #runOne(tx: Tx, waiting: Waiting<Tx>): Promise<() => void> {
    try {
      const value = await this.#driver.isolated(tx, waiting.work);
      return () => waiting.resolve(value as never);
    } catch (error) {
      if (this.#driver.isFatal(error)) throw error;
      return () => waiting.reject(error);
    }
  }
}
