import type { RouterId } from '../contract/primitives.ts';

/**
 * A unit of a batch asked for a second router. Two units that each hold one router could wait for each other for ever, so this
 * unit fails, and the batch runs it again on its own.
 */
export class LocksCross extends Error {}

/**
 * Serializes units of one batch that change the same router. The database cannot: its lock belongs to the transaction, which all
 * units of the batch share.
 *
 *   unit A  lock(r1) ──── work ──── release
 *   unit B  lock(r1) ········ waits ·······▶ work ──── release
 *   unit C  lock(r2) ──── work ──── release                      (another router: not delayed)
 */
export class RouterLocks {
  readonly #holders = new Map<RouterId, Promise<void>>();

  /** Returns the locks of a new unit, which holds none yet. */
  startUnit(): UnitLocks {
    return new UnitLocks(this.#holders);
  }
}

/** The locks of one unit. It holds at most one router. */
export class UnitLocks {
  readonly #holders: Map<RouterId, Promise<void>>;
  readonly #released: Promise<void>;
  #release: () => void = () => undefined;
  #held: RouterId | null = null;

  constructor(holders: Map<RouterId, Promise<void>>) {
    this.#holders = holders;
    this.#released = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  /**
   * Waits until earlier units of the batch have released this router. Locking the same router again returns at once.
   * @throws LocksCross if the unit already holds another router
   */
  async lock(id: RouterId): Promise<void> {
    if (this.#held === id) return;
    if (this.#held !== null) throw new LocksCross();
    this.#held = id;
    const before = this.#holders.get(id) ?? Promise.resolve();
    // The next unit waits for both promises, because this unit can be released while it still waits itself.
    this.#holders.set(
      id,
      before.then(() => this.#released),
    );
    await before;
  }

  /** Releases the router, if the unit holds one. Calling it again has no effect. */
  release(): void {
    this.#release();
  }
}
