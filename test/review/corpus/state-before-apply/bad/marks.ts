export class Updates {
  readonly #running = new Set<string>();

  async update(id: string, strict: boolean, send: (id: string) => Promise<void>): Promise<void> {
    if (this.#running.has(id)) return;
    this.#running.add(id); // finds: state-before-apply
    try {
      await send(id);
    } catch (error) {
      if (strict) throw error;
    }
    this.#running.delete(id);
  }
}
