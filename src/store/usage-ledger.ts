import type { Database } from './database.ts';
import type { ProjectUsage } from './interface.ts';
import { toUsage } from './rows.ts';
import type { ProjectRow } from './schema.ts';
import type { Statements } from './statements.ts';

/** A change of a project's counts; negative numbers give back. An absent count does not change. */
export interface Gained {
  readonly routers?: number;
  readonly helpers?: number;
}

type Limits = Pick<ProjectUsage, 'routerLimit' | 'helperLimit'>;
type Counts = { routers: number; helpers: number };

interface Entry {
  /** The row as it was read, with the limits that a unit of this batch has set since. */
  read: ProjectUsage;
  /** The sum of what units of the batch, finished or running, have added since the row was read. */
  readonly gained: Counts;
}

/**
 * The counts of projects within one batch. The first unit that counts for a project reads the project's row, which locks it until
 * the commit. Later units count in memory, and at the end one statement per project writes the sum.
 */
export class UsageLedger {
  readonly #statements: Statements;
  readonly #entries = new Map<string, Promise<Entry>>();

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  /** Forgets everything. Called at the begin of each batch. */
  clear(): void {
    this.#entries.clear();
  }

  /** Returns the part of a new unit. */
  startUnit(): UnitUsage {
    return new UnitUsage(this.#entries, this.#statements);
  }

  /** Adds each project's sum to its row. Called once, before the commit. @throws the database's error */
  async write(database: Database): Promise<void> {
    const write = async (project: string, reading: Promise<Entry>) => {
      const { routers, helpers } = (await reading).gained;
      if (routers !== 0 || helpers !== 0) await this.#statements.countUsage.run(database, { project, routers, helpers });
    };
    await Promise.all([...this.#entries].map(([project, reading]) => write(project, reading)));
  }
}

/** One unit's part of the ledger. It remembers what the unit added, so that a failed unit can be undone alone. */
export class UnitUsage {
  readonly #entries: Map<string, Promise<Entry>>;
  readonly #statements: Statements;
  readonly #own = new Map<string, Counts>();
  /** The limits as they were before this unit changed them. */
  readonly #limitsBefore = new Map<string, Limits>();
  /** Projects whose rows this unit was the first to read. */
  readonly #first = new Set<string>();

  constructor(entries: Map<string, Promise<Entry>>, statements: Statements) {
    this.#entries = entries;
    this.#statements = statements;
  }

  /** Adds to the project's counts. @returns the project's usage, including what running units of the same batch have added */
  async count(database: Database, projectId: string, { routers = 0, helpers = 0 }: Gained): Promise<ProjectUsage> {
    const { read, gained } = await this.#entry(database, projectId);
    const own = this.#own.get(projectId) ?? { routers: 0, helpers: 0 };
    this.#own.set(projectId, own);
    for (const counts of [own, gained]) {
      counts.routers += routers;
      counts.helpers += helpers;
    }
    return { ...read, routers: read.routers + gained.routers, helpers: read.helpers + gained.helpers };
  }

  /** Makes later reads of this batch see the new limits. The caller writes them to the database. */
  async setLimits(database: Database, projectId: string, limits: Limits): Promise<void> {
    const entry = await this.#entry(database, projectId);
    const { routerLimit, helperLimit } = entry.read;
    if (!this.#limitsBefore.has(projectId)) this.#limitsBefore.set(projectId, { routerLimit, helperLimit });
    entry.read = { ...entry.read, ...limits };
  }

  /**
   * Subtracts what the unit added and restores the limits that it changed.
   * @param unlocked true if the database released the rows that this unit was the first to read; the next unit then reads them
   * again
   */
  async undo(unlocked: boolean): Promise<void> {
    for (const [project, { routers, helpers }] of this.#own) {
      const entry = await this.#entries.get(project)?.catch(() => null);
      if (!entry) continue;
      entry.gained.routers -= routers;
      entry.gained.helpers -= helpers;
    }
    for (const [project, limits] of this.#limitsBefore) {
      const entry = await this.#entries.get(project);
      if (entry) entry.read = { ...entry.read, ...limits };
    }
    if (unlocked) for (const project of this.#first) this.#entries.delete(project);
  }

  #entry(database: Database, projectId: string): Promise<Entry> {
    const known = this.#entries.get(projectId);
    if (known !== undefined) return known;
    this.#first.add(projectId);
    const reading = this.#read(database, projectId);
    this.#entries.set(projectId, reading);
    return reading;
  }

  async #read(database: Database, project: string): Promise<Entry> {
    const { rows } = await this.#statements.countUsage.run(database, { project, routers: 0, helpers: 0 });
    return { read: toUsage(rows[0] as ProjectRow), gained: { routers: 0, helpers: 0 } };
  }
}
