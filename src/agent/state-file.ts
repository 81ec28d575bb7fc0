import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { items } from '../contract/compounds.ts';
import { DESIRED_ROUTER, type DesiredRouter } from '../contract/desired-router.ts';
import { itemOf } from '../contract/mismatch.ts';
import { EPOCH, MAX_ROUTERS_PER_HOST, TIME } from '../contract/primitives.ts';
import { record } from '../contract/record.ts';
import { read } from '../contract/shape.ts';
import type { Timer } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Ports } from '../ports/ports.ts';

/** The last good desired state, for a start without a server. */
export interface SavedState {
  readonly savedAt: string;
  readonly epoch: string;
  readonly routers: readonly DesiredRouter[];
}

const STATE = record({ savedAt: TIME, epoch: EPOCH, routers: items(DESIRED_ROUTER, MAX_ROUTERS_PER_HOST, 'id') });

/** A router that cannot be read is left out. @returns null if there is no state, or none that can be used */
export async function loadState(path: string, logger: Logger): Promise<SavedState | null> {
  try {
    const { routers, ...rest } = read(STATE, JSON.parse(await readFile(path, 'utf8')), path);
    for (const item of routers)
      if (!item.ok) logger.warn({ path, reason: item.error.message }, 'a router of the saved state cannot be read');
    return { ...rest, routers: routers.flatMap((item) => (item.ok ? [item.value] : [])) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') logger.warn({ err: error, path }, 'the saved state cannot be used');
    return null;
  }
}

/** Written aside, synced, then renamed over the old one: a crash leaves one whole state. */
async function saveState(path: string, state: SavedState): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o640);
  try {
    const routers = state.routers.map(itemOf);
    await file.writeFile(JSON.stringify(STATE.write({ ...state, routers })));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const directory = await open(dirname(path), 'r');
  await directory.sync().finally(() => directory.close());
}

/** Changes of a burst are saved together. */
const SAVE_AFTER_MS = 500;

/** Saves the state a little after it changed. A disk that fails is logged, and costs a later start, not this one. */
export class StateSaver {
  readonly #path: string;
  readonly #state: () => SavedState;
  readonly #ports: Ports;
  #timer: Timer | null = null;
  #saving: Promise<void> = Promise.resolve();

  constructor(path: string, state: () => SavedState, ports: Ports) {
    this.#path = path;
    this.#state = state;
    this.#ports = ports;
  }

  saveSoon(): void {
    this.#timer ??= this.#ports.clock.after(SAVE_AFTER_MS, () => this.#begin());
  }

  /** Saves what still waits. Resolves when all is on disk. */
  async close(): Promise<void> {
    if (this.#timer) this.#begin();
    await this.#saving;
  }

  /** One save after the other: they share a name for the new file. */
  #begin(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#saving = this.#saving.then(() => this.#save());
  }

  async #save(): Promise<void> {
    try {
      await saveState(this.#path, this.#state());
    } catch (error) {
      this.#ports.logger.error({ err: error, path: this.#path }, 'the desired state cannot be saved to disk');
    }
  }
}
