export class Table {
  readonly #rules = new Map<string, Rule>();
  readonly #mutex = new Mutex();

  async put(rule: Rule): Promise<void> {
    await this.#mutex.runExclusive(() => this.#rules.set(rule.id, rule));
  }

  async drop(id: string): Promise<void> {
    await this.#mutex.runExclusive(() => this.#rules.delete(id));
  }

  blocks(): number {
    return this.#rules.size;
  }
}
