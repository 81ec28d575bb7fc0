import type { RouterId } from '../contract/primitives.ts';

/** Two units of one batch would wait for each other: one of them runs again alone. */
export class LocksCross extends Error {}

/** Keeps units of one batch that run side by side from working on one router at a time: the database's lock is the batch's. */
export class RouterLocks {
  readonly #holders = new Map<RouterId, Promise<void>>();

  startUnit(): UnitLocks {
    return new UnitLocks(this.#holders);
  }
}

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

  /** @throws LocksCross for a second router: units that hold one and wait for another could wait for ever */
  async lock(id: RouterId): Promise<void> {
    if (this.#held === id) return;
    if (this.#held !== null) throw new LocksCross();
    this.#held = id;
    const before = this.#holders.get(id) ?? Promise.resolve();
    // The next one waits for both: this unit may be released while it still waits.
    this.#holders.set(
      id,
      before.then(() => this.#released),
    );
    await before;
  }

  release(): void {
    this.#release();
  }
}
