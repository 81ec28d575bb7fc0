export class Table {
  readonly #rules = new Map<string, Rule>();
  async add(id: string, rule: Rule): Promise<void> {
    this.#rules.set(id, rule); // finds: state-before-apply
    await this.kernel.apply([...this.#rules.values()]);
  }
  async remove(id: string): Promise<void> {
    this.#rules.delete(id); // finds: state-before-apply
    await this.nft.commit(this.#rules);
  }
}
