export class Cache {
  readonly #helpers = new Map<string, Helper>();

  async resync(routerId: string): Promise<void> {
    const current = new Set((await this.api.listHelpers(routerId)).map(({ id }) => id));
    const own = [...this.#helpers.values()].filter((helper) => helper.routerId === routerId);
    for (const { id } of own) {
      if (!current.has(id)) this.#helpers.delete(id);
    }
  }
}
