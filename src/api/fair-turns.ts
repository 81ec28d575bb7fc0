import { FairQueue } from '../model/fair-queue.ts';

/** A turn that was asked for. */
export interface Turn {
  /** Resolves when the turn has come. */
  readonly come: Promise<void>;
  /** Ends the turn, or the wait for it. Calling it again has no effect. */
  end(): void;
}

/** Work that is done at the same time, with a bound for all and a lower one for each owner. Beyond them work waits, and owners take turns. */
export class FairTurns {
  readonly #bounds: { readonly total: number; readonly perOwner: number };
  readonly #running = new Map<string, number>();
  readonly #waiting = new FairQueue<() => void>();
  #count = 0;

  constructor(bounds: { readonly total: number; readonly perOwner: number }) {
    this.#bounds = bounds;
  }

  /** Asks for a turn. */
  ask(owner: string): Turn {
    let state: 'waits' | 'runs' | 'over' = 'waits';
    let start: () => void = () => undefined;
    const come = new Promise<void>((resolve) => {
      start = () => {
        state = 'runs';
        this.#count++;
        this.#running.set(owner, this.#of(owner) + 1);
        resolve();
      };
    });
    this.#waiting.push(owner, start);
    this.#startWaiting();
    const end = () => {
      if (state === 'waits') this.#waiting.remove(owner, start);
      if (state === 'runs') this.#leave(owner);
      state = 'over';
      this.#startWaiting();
    };
    return { come, end };
  }

  #of(owner: string): number {
    return this.#running.get(owner) ?? 0;
  }

  #leave(owner: string): void {
    this.#count--;
    const left = this.#of(owner) - 1;
    if (left > 0) this.#running.set(owner, left);
    else this.#running.delete(owner);
  }

  #startWaiting(): void {
    while (this.#count < this.#bounds.total) {
      const start = this.#waiting.shift((owner) => this.#of(owner) < this.#bounds.perOwner);
      if (!start) return;
      start();
    }
  }
}
