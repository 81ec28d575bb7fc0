export class Table {
  readonly #rules = new Map<string, Rule>();

  async add(id: string, rule: Rule): Promise<void> {
    await this.kernel.apply([...this.#rules.values(), rule]);
    this.#rules.set(id, rule);
  }

  async write(id: string, rule: Rule): Promise<void> {
    const before = this.#rules.get(id);
    this.#rules.set(id, rule);
    try {
      await this.kernel.write(rule);
    } catch (error) {
      if (before) this.#rules.set(id, before);
      throw error;
    }
  }
}
