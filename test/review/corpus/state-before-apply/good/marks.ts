export class Updates {
  readonly #running = new Set<string>();

  async update(id: string, strict: boolean, send: (id: string) => Promise<void>): Promise<void> {
    if (this.#running.has(id)) return;
    this.#running.add(id);
    try {
      await send(id);
    } catch (error) {
      if (strict) throw error;
    } finally {
      this.#running.delete(id);
    }
  }

  async refresh(id: string, send: (id: string) => Promise<void>, log: (text: string) => void): Promise<void> {
    if (this.#running.has(id)) return;
    this.#running.add(id);
    let failure: string | null = null;
    try {
      await send(id);
    } catch (error) {
      failure = (error as Error).message;
    }
    this.#running.delete(id);
    if (failure !== null) log(failure);
  }
}
