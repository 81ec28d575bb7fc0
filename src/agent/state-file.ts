import { readFileSync, rmSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { items, nullable, withDefault } from '../contract/compounds.ts';
import { DESIRED_ROUTER, type DesiredRouter } from '../contract/desired-router.ts';
import { itemOf } from '../contract/mismatch.ts';
import { COUNT, EPOCH, INSTALLATION, MAX_ROUTERS_PER_HOST, TIME } from '../contract/primitives.ts';
import { record } from '../contract/record.ts';
import { read } from '../contract/shape.ts';
import { errorToData, PinholeError } from '../model/errors.ts';
import type { Timer } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { Ports } from '../ports/ports.ts';
import type { History } from './source.ts';

/** The last good desired state, for a start without a server, and to compare the next pull with. */
export interface SavedState extends History {
  readonly savedAt: string;
  readonly routers: readonly DesiredRouter[];
}

const STATE = record({
  savedAt: TIME,
  // Files of the version before have neither of the two.
  installation: withDefault(nullable(INSTALLATION), null),
  epoch: EPOCH,
  position: withDefault(nullable(COUNT), null),
  routers: items(DESIRED_ROUTER, MAX_ROUTERS_PER_HOST, 'id'),
});

/** The state that was saved before the newest one: what is read where the newest is cut or garbled. */
function pathBefore(path: string): string {
  return `${path}.before`;
}

/**
 * Reads the newest saved state that can be used, which an agent does once, before it does anything else. A router that cannot be read is left out.
 * @returns null if there is no state, or none that can be used, which the log says
 */
export function loadState(path: string, logger: Logger): SavedState | null {
  for (const one of [path, pathBefore(path)]) {
    try {
      const found = readState(one, logger);
      if (!found) continue;
      if (one !== path) logger.warn({ path: one, savedAt: found.savedAt }, 'the state that was saved before is used');
      return found;
    } catch (error) {
      logger.error({ path: one, reason: errorToData(error).message }, 'the saved state cannot be used');
    }
  }
  return null;
}

/** @returns null if there is no such file. @throws PinholeError `invalid-message` for a file that is cut or garbled */
function readState(path: string, logger: Logger): SavedState | null {
  const text = textOf(path);
  if (text === null) return null;
  const { routers, ...rest } = read(STATE, parseJson(text, path), path);
  for (const item of routers) if (!item.ok) logger.warn({ path, reason: item.error.message }, 'a router of the saved state cannot be read');
  return { ...rest, routers: routers.flatMap((item) => (item.ok ? [item.value] : [])) };
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw new PinholeError('invalid-message', `${path} cannot be read (${code})`, { cause: error });
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PinholeError('invalid-message', `${path} is not JSON: it was cut or changed`, { cause: error });
  }
}

/**
 * Writes the state aside, syncs it, and puts it in the place of the newest one, which stays as the one before. A crash at any point
 * leaves at least one whole state.
 */
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
  await rename(path, pathBefore(path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(temporary, path);
  const directory = await open(dirname(path), 'r');
  await directory.sync().finally(() => directory.close());
}

/** The file in which an operator confirms a held pull, beside the state file. */
export function confirmationPath(path: string): string {
  return join(dirname(path), 'confirm');
}

/** Reads and removes an operator's confirmation. @returns the id of the hold; null if there is none */
export function takeConfirmation(path: string): string | null {
  const file = confirmationPath(path);
  try {
    const id = readFileSync(file, 'utf8').trim();
    rmSync(file, { force: true });
    return id;
  } catch {
    return null;
  }
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
