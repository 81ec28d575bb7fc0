export class Cache {
  readonly #helpers = new Map<string, Map<string, Helper>>();

  async refresh(source: Source, routerId: string): Promise<void> {
    const known = [...(this.#helpers.get(routerId)?.keys() ?? [])];
    const pulled = await source.pull(routerId);
    const present = new Set(pulled);
    const gone = known.filter((id) => !present.has(id));
    this.removeAll(routerId, gone);
  }

  removeAll(routerId: string, ids: readonly string[]): void {
    for (const id of ids) this.#helpers.get(routerId)?.delete(id);
  }
}
