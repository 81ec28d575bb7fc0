export class Table {
  readonly #rules = new Map<string, Rule>();
  constructor(private readonly kernel: Kernel) {}

  async set(id: string, rule: Rule): Promise<void> {
    this.#rules.set(id, rule); // finds: state-before-apply
    await this.kernel.apply([...this.#rules.values()]);
  }
}
