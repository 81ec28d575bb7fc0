import type { Netns } from '../contract/netns.ts';
import type { Kernel, StripSelector } from '../kernel/interface.ts';
import { errorToData } from '../model/errors.ts';
import type { Table } from '../model/table.ts';
import { type Assignment, assignmentKey, revocations } from '../plan/diff.ts';
import type { Logger } from '../ports/logger.ts';

/**
 * Helpers that live connections have to lose. Noted before the table is written, so that neither a lost answer nor a dead
 * kernel process makes them forgotten; carried out once the namespace is known to be in sync, beside the sync itself.
 */
export class PendingStrips {
  readonly #kernel: Kernel;
  readonly #logger: Logger;
  readonly #pending = new Map<Netns, Map<string, Assignment>>();
  stripped = 0;

  constructor(kernel: Kernel, logger: Logger) {
    this.#kernel = kernel;
    this.#logger = logger;
  }

  add(netns: Netns, revoked: readonly Assignment[]): void {
    if (revoked.length === 0) return;
    const known = this.#pending.get(netns) ?? new Map<string, Assignment>();
    for (const assignment of revoked) known.set(assignmentKey(assignment), assignment);
    this.#pending.set(netns, known);
  }

  /** @param table what the namespace holds now: connections to which it assigns the helper keep it */
  run(netns: Netns, table: Table | null): void {
    const known = this.#pending.get(netns);
    if (!known) return;
    this.#pending.delete(netns);
    const selectors = revocations([...known.values()], table);
    if (selectors.length > 0) void this.#strip(netns, selectors);
  }

  forget(netns: Netns): void {
    this.#pending.delete(netns);
  }

  async #strip(netns: Netns, selectors: readonly StripSelector[]): Promise<void> {
    try {
      this.stripped += await this.#kernel.changeLive(netns, { action: 'strip', selectors });
    } catch (error) {
      this.#logger.warn(
        { netns, reason: errorToData(error).message },
        'helpers stay on live connections for now; tried again with the next sync',
      );
      if (errorToData(error).code !== 'netns-not-found') this.add(netns, selectors);
    }
  }
}
