import { type FSWatcher, readdirSync, watch } from 'node:fs';
import type { Netns } from '../../contract/netns.ts';
import type { Logger } from '../../ports/logger.ts';

export interface NamespaceWatcherOptions {
  /** Inode of the namespace behind a name; null while it is absent or not mounted yet. */
  readonly inode: (netns: Netns) => number | null;
  /** A name came (inode), went (null), or stands for another namespace than before. */
  readonly changed: (netns: Netns, inode: number | null) => void;
  readonly logger: Logger;
}

/** inotify tells of the file, which is there before the namespace is mounted on it: measured at most 5 ms before. */
const MOUNT_RETRY_MS = [1, 2, 4, 8, 16, 32, 64, 128, 256];
/** Catches what inotify lost, and a directory that did not exist when we started. */
const RESCAN_MS = 15_000;

/** Tells of network namespaces that come, go and are reborn under a name in /run/netns. */
export class NamespaceWatcher {
  readonly #directory: string;
  readonly #options: NamespaceWatcherOptions;
  readonly #known = new Map<Netns, number>();
  readonly #timer: NodeJS.Timeout;
  readonly #retries = new Map<Netns, NodeJS.Timeout>();
  #watcher: FSWatcher | null = null;

  constructor(directory: string, options: NamespaceWatcherOptions) {
    this.#directory = directory;
    this.#options = options;
    this.#start();
    for (const name of this.#list()) {
      const inode = options.inode(name);
      if (inode !== null) this.#known.set(name, inode);
    }
    this.#timer = setInterval(() => this.#rescan(), RESCAN_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    for (const timer of this.#retries.values()) clearTimeout(timer);
    this.#watcher?.close();
  }

  #start(): void {
    try {
      this.#watcher = watch(this.#directory, { persistent: true }, (_event, name) => name && this.#check(name, 0));
      this.#watcher.on('error', (error) => {
        this.#options.logger.warn({ err: error }, 'watching for network namespaces failed; scanning instead');
        this.#watcher?.close();
        this.#watcher = null;
      });
    } catch {
      this.#watcher = null;
    }
  }

  #rescan(): void {
    if (!this.#watcher) this.#start();
    for (const name of new Set([...this.#known.keys(), ...this.#list()])) this.#check(name, MOUNT_RETRY_MS.length);
  }

  #check(name: Netns, attempt: number): void {
    clearTimeout(this.#retries.get(name));
    this.#retries.delete(name);
    const inode = this.#options.inode(name);
    if (inode === null && attempt < MOUNT_RETRY_MS.length) {
      this.#retries.set(
        name,
        setTimeout(() => this.#check(name, attempt + 1), MOUNT_RETRY_MS[attempt]),
      );
    }
    const before = this.#known.get(name) ?? null;
    if (inode === before) return;
    if (inode === null) this.#known.delete(name);
    else this.#known.set(name, inode);
    this.#options.changed(name, inode);
  }

  #list(): string[] {
    try {
      return readdirSync(this.#directory);
    } catch {
      return [];
    }
  }
}
