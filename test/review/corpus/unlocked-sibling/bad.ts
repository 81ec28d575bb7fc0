export class Table {
  readonly #rules = new Map<string, Rule>();
  readonly #mutex = new Mutex();

  async put(rule: Rule): Promise<void> {
    await this.#mutex.runExclusive(() => this.#rules.set(rule.id, rule));
  }

  async patch(rule: Rule): Promise<void> {
    await this.#mutex.runExclusive(() => this.#rules.set(rule.id, { ...rule }));
  }

  drop(id: string): void { // finds: unlocked-sibling
    this.#rules.delete(id);
  }
}
