export class Cache {
  readonly #helpers = new Map<string, Helper>();
  async resync(routerId: string): Promise<void> {
    const current = new Set((await this.api.listHelpers(routerId)).map(({ id }) => id));
    for (const id of this.#helpers.keys()) { // finds: prune-across-owners
      if (!current.has(id)) this.#helpers.delete(id);
    }
  }
}
