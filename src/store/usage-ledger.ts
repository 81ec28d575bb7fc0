import type { Database } from './database.ts';
import type { ProjectUsage } from './interface.ts';
import { toUsage } from './rows.ts';
import type { ProjectRow } from './schema.ts';
import type { Statements } from './statements.ts';

export interface Gained {
  readonly routers?: number;
  readonly helpers?: number;
}

type Limits = Pick<ProjectUsage, 'routerLimit' | 'helperLimit'>;
type Counts = { routers: number; helpers: number };

interface Entry {
  /** As it was read, with the limits as they are now. */
  read: ProjectUsage;
  /** What units of the batch have gained since, kept or under way. */
  readonly gained: Counts;
}

/**
 * What projects have, within one batch. A project's row is read, and with that locked until the commit, for the first unit that
 * counts; the others count here, and one statement a project writes what all of them gained.
 */
export class UsageLedger {
  readonly #statements: Statements;
  readonly #entries = new Map<string, Promise<Entry>>();

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  clear(): void {
    this.#entries.clear();
  }

  startUnit(): UnitUsage {
    return new UnitUsage(this.#entries, this.#statements);
  }

  async write(database: Database): Promise<void> {
    const write = async (project: string, reading: Promise<Entry>) => {
      const { routers, helpers } = (await reading).gained;
      if (routers !== 0 || helpers !== 0) await this.#statements.countUsage.run(database, { project, routers, helpers });
    };
    await Promise.all([...this.#entries].map(([project, reading]) => write(project, reading)));
  }
}

/** One unit's part of it. */
export class UnitUsage {
  readonly #entries: Map<string, Promise<Entry>>;
  readonly #statements: Statements;
  readonly #own = new Map<string, Counts>();
  /** Limits as they were before this unit set others. */
  readonly #limitsBefore = new Map<string, Limits>();
  /** Projects whose rows this unit was the first to read. */
  readonly #first = new Set<string>();

  constructor(entries: Map<string, Promise<Entry>>, statements: Statements) {
    this.#entries = entries;
    this.#statements = statements;
  }

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

  async setLimits(database: Database, projectId: string, limits: Limits): Promise<void> {
    const entry = await this.#entry(database, projectId);
    const { routerLimit, helperLimit } = entry.read;
    if (!this.#limitsBefore.has(projectId)) this.#limitsBefore.set(projectId, { routerLimit, helperLimit });
    entry.read = { ...entry.read, ...limits };
  }

  /**
   * Takes back what the unit gained, and the limits that it set.
   * @param unlocked the rows that it was the first to read are locked no more: the next unit reads them again
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
