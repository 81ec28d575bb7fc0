export class Table {
  #rules: ReadonlyMap<string, Rule> = new Map();
  constructor(private readonly kernel: Kernel) {}

  async set(id: string, rule: Rule): Promise<void> {
    const next = new Map(this.#rules).set(id, rule);
    await this.kernel.apply([...next.values()]);
    this.#rules = next;
  }
}
