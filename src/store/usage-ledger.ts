import type { Database } from './database.ts';
import type { ProjectUsage } from './interface.ts';
import { toUsage } from './rows.ts';
import type { ProjectRow } from './schema.ts';
import type { Statements } from './statements.ts';

export interface Gained {
  readonly routers?: number;
  readonly helpers?: number;
}

interface Entry {
  usage: ProjectUsage;
  /** As it was before the unit that is under way; null: that unit read it. */
  before: ProjectUsage | null;
  /** What the batch has gained so far, to be written. */
  routers: number;
  helpers: number;
  beforeGain: { routers: number; helpers: number };
}

/**
 * What projects have, within one batch. A project's row is read, and with that locked until the commit, by the first unit that
 * counts; the others count here, and one statement a project writes what all of them gained.
 */
export class UsageLedger {
  readonly #statements: Statements;
  readonly #entries = new Map<string, Entry>();
  readonly #touched = new Set<string>();

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  clear(): void {
    this.#entries.clear();
    this.#touched.clear();
  }

  startUnit(): void {
    this.#touched.clear();
  }

  keepUnit(): void {
    for (const project of this.#touched) {
      const entry = this.#entries.get(project) as Entry;
      entry.before = entry.usage;
      entry.beforeGain = { routers: entry.routers, helpers: entry.helpers };
    }
  }

  /** A row that the undone unit was the first to read is locked no more: it is read again. */
  undoUnit(): void {
    for (const project of this.#touched) {
      const entry = this.#entries.get(project) as Entry;
      if (entry.before === null) this.#entries.delete(project);
      else Object.assign(entry, { usage: entry.before, ...entry.beforeGain });
    }
  }

  async count(database: Database, projectId: string, { routers = 0, helpers = 0 }: Gained): Promise<ProjectUsage> {
    const entry = this.#entries.get(projectId) ?? (await this.#read(database, projectId));
    this.#touched.add(projectId);
    entry.usage = { ...entry.usage, routers: entry.usage.routers + routers, helpers: entry.usage.helpers + helpers };
    entry.routers += routers;
    entry.helpers += helpers;
    return entry.usage;
  }

  setLimits(projectId: string, limits: Pick<ProjectUsage, 'routerLimit' | 'helperLimit'>): void {
    const entry = this.#entries.get(projectId);
    if (entry) entry.usage = { ...entry.usage, ...limits };
  }

  async write(database: Database): Promise<void> {
    for (const [project, { routers, helpers }] of this.#entries) {
      if (routers !== 0 || helpers !== 0) await this.#statements.countUsage.run(database, { project, routers, helpers });
    }
  }

  async #read(database: Database, projectId: string): Promise<Entry> {
    const { rows } = await this.#statements.countUsage.run(database, { project: projectId, routers: 0, helpers: 0 });
    const entry = { usage: toUsage(rows[0] as ProjectRow), before: null, routers: 0, helpers: 0, beforeGain: { routers: 0, helpers: 0 } };
    this.#entries.set(projectId, entry);
    return entry;
  }
}
