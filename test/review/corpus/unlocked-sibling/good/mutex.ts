import { Mutex } from 'async-mutex';

export class Store {
  private readonly mutex = new Mutex();
  private readonly items = new Map<string, string>();

  async put(key: string, value: string): Promise<void> {
    await this.mutex.runExclusive(async () => {
      this.items.set(key, value);
    });
  }

  async all(): Promise<void> {
    await this.mutex.runExclusive(() => this.items.clear());
  }

  async drop(key: string): Promise<void> {
    const release = await this.mutex.acquire();
    try {
      this.items.delete(key);
    } finally {
      release();
    }
  }
}
