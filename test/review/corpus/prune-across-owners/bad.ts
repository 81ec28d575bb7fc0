export class Cache {
  readonly #helpers = new Map<string, Helper>();

  async refresh(source: Source, routerId: string): Promise<void> {
    const known = [...this.#helpers.keys()];
    const pulled = await source.pull(routerId);
    const present = new Set(pulled);
    const gone = known.filter((id) => !present.has(id)); // finds: prune-across-owners
    this.removeAll(gone);
  }

  removeAll(ids: readonly string[]): void {
    for (const id of ids) this.#helpers.delete(id);
  }
}
