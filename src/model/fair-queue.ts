/**
 * Items that wait, in a queue for each owner. Owners take turns, so that one with many items delays the others by one item each.
 *
 *   a  a1 a2 a3 …
 *   b  b1             ─▶  a1 b1 c1 a2 c2 a3 …
 *   c  c1 c2
 */
export class FairQueue<T> {
  /** The owner whose turn it is comes first. */
  readonly #queues = new Map<string, T[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The number of items of one owner. */
  sizeOf(owner: string): number {
    return this.#queues.get(owner)?.length ?? 0;
  }

  /** Appends an item to its owner's queue. */
  push(owner: string, item: T): void {
    const queue = this.#queues.get(owner);
    if (queue) queue.push(item);
    else this.#queues.set(owner, [item]);
    this.#size++;
  }

  /** Takes the oldest item of the owner whose turn it is. @param may leaves out owners for which it is false @returns undefined for none */
  shift(may: (owner: string) => boolean = () => true): T | undefined {
    for (const [owner, queue] of this.#queues) {
      if (!may(owner)) continue;
      const item = queue.shift();
      this.#queues.delete(owner);
      if (queue.length > 0) this.#queues.set(owner, queue);
      this.#size--;
      return item;
    }
    return undefined;
  }

  /** Removes an item that waits. Does nothing if it waits no more. */
  remove(owner: string, item: T): void {
    const queue = this.#queues.get(owner) ?? [];
    const at = queue.indexOf(item);
    if (at < 0) return;
    queue.splice(at, 1);
    if (queue.length === 0) this.#queues.delete(owner);
    this.#size--;
  }

  /** Takes at most `max` items in turn. */
  take(max: number): T[] {
    const taken: T[] = [];
    while (taken.length < max && this.#size > 0) taken.push(this.shift() as T);
    return taken;
  }
}
