import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ProjectUsage } from '../../src/store/interface.ts';
import { prepareStatements } from '../../src/store/statements.ts';
import { UsageLedger } from '../../src/store/usage-ledger.ts';
import { runs } from '../support/runs.ts';
import { type Asked, ScriptedDatabase } from '../support/scripted-database.ts';

const statements = prepareStatements('sqlite');
const PROJECTS = ['p', 'q', 'r'] as const;
type Project = (typeof PROJECTS)[number];

interface Row {
  routers: number;
  helpers: number;
  router_limit: number | null;
  helper_limit: number | null;
}

/** The table of projects. */
class Projects {
  readonly database = new ScriptedDatabase((asked) => this.#count(asked));
  readonly rows = new Map<string, Row>();

  row(project: string): Row {
    const row = this.rows.get(project) ?? { routers: 0, helpers: 0, router_limit: null, helper_limit: null };
    this.rows.set(project, row);
    return row;
  }

  /** The one statement that the ledger runs. */
  #count({ parameters }: Asked): object[] {
    const [project, routers, helpers] = parameters as [string, number, number];
    const row = this.row(project);
    row.routers += routers;
    row.helpers += helpers;
    return [{ project_id: project, ...row }];
  }
}

function totals(projects: Projects): Record<string, [number, number]> {
  return Object.fromEntries(PROJECTS.map((project) => [project, [projects.row(project).routers, projects.row(project).helpers]]));
}

type Step =
  | { readonly kind: 'count'; readonly project: Project; readonly routers: number; readonly helpers: number }
  | { readonly kind: 'limit'; readonly project: Project; readonly routerLimit: number };

const count = fc.record({
  kind: fc.constant('count' as const),
  project: fc.constantFrom(...PROJECTS),
  routers: fc.integer({ min: 0, max: 3 }),
  helpers: fc.integer({ min: 0, max: 3 }),
});
const limit = fc.record({ kind: fc.constant('limit' as const), project: fc.constantFrom(...PROJECTS), routerLimit: fc.nat({ max: 9 }) });
const unit = <S extends Step>(step: fc.Arbitrary<S>) =>
  fc.record({ steps: fc.array(step, { maxLength: 4 }), isKept: fc.boolean(), turns: fc.nat({ max: 5 }) });

/** What projects have if of all units only the kept ones were there. */
function expected(initial: number, units: readonly { readonly steps: readonly Step[]; readonly isKept: boolean }[]) {
  const of = (project: Project): [number, number] => {
    const steps = units.filter(({ isKept }) => isKept).flatMap((one) => one.steps);
    const counts = steps.filter((step) => step.kind === 'count' && step.project === project) as Extract<Step, { kind: 'count' }>[];
    return [counts.reduce((sum, { routers }) => sum + routers, initial), counts.reduce((sum, { helpers }) => sum + helpers, initial)];
  };
  return Object.fromEntries(PROJECTS.map((project) => [project, of(project)]));
}

describe('law: one unit that is undone leaves the others’ counts', () => {
  it('holds one after the other, and each is told what its project has at that moment, and its limits', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(unit(fc.oneof(count, limit)), { maxLength: 6 }), async (units) => {
        const projects = new Projects();
        for (const project of PROJECTS) Object.assign(projects.row(project), { routers: 5, helpers: 5 });
        const ledger = new UsageLedger(statements);
        const limits = new Map<string, number | null>();
        for (const [index, { steps, isKept }] of units.entries()) {
          const usage = ledger.startUnit();
          const before = new Map(limits);
          for (const [at, step] of steps.entries()) {
            const so_far = [...units.slice(0, index), { steps: steps.slice(0, at + 1), isKept: true }];
            if (step.kind === 'limit') {
              const { routerLimit } = step;
              await usage.setLimits(projects.database, step.project, { routerLimit, helperLimit: null });
              limits.set(step.project, routerLimit);
              // As the statement beside it does, which a rollback to the savepoint takes back.
              projects.row(step.project).router_limit = routerLimit;
              continue;
            }
            const told = await usage.count(projects.database, step.project, step);
            expect([told.routers, told.helpers]).toEqual(expected(5, so_far)[step.project]);
            expect(told.routerLimit).toBe(limits.get(step.project) ?? null);
          }
          if (isKept) continue;
          await usage.undo(true);
          limits.clear();
          for (const [project, value] of before) limits.set(project, value);
          for (const project of PROJECTS) projects.row(project).router_limit = before.get(project) ?? null;
        }
        await ledger.write(projects.database);
        expect(totals(projects)).toEqual(expected(5, units));
      }),
      runs(),
    );
  });

  it('holds side by side, in whatever order the database answers', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(unit(count), { maxLength: 6 }), async (units) => {
        const projects = new Projects();
        const ledger = new UsageLedger(statements);
        const told: ProjectUsage[] = [];
        await Promise.all(
          units.map(async ({ steps, isKept, turns }) => {
            const usage = ledger.startUnit();
            for (const step of steps) {
              for (let turn = 0; turn < turns; turn++) await Promise.resolve();
              told.push(await usage.count(projects.database, step.project, step));
            }
            if (!isKept) await usage.undo(false);
          }),
        );
        await ledger.write(projects.database);
        expect(totals(projects)).toEqual(expected(0, units));
        for (const { routers, helpers } of told) expect(Math.min(routers, helpers)).toBeGreaterThanOrEqual(0);
        // One row is read, and so locked, once a batch; and written once.
        for (const project of PROJECTS) {
          const asked = projects.database.asked.filter(({ parameters }) => parameters[0] === project);
          expect(asked.length).toBeLessThanOrEqual(2);
        }
      }),
      runs(),
    );
  });
});

describe('UsageLedger', () => {
  it('takes a limit back that a unit set before it failed, though another had counted the project before', async () => {
    const projects = new Projects();
    projects.row('p').router_limit = 10;
    const ledger = new UsageLedger(statements);
    await ledger.startUnit().count(projects.database, 'p', { routers: 1 });
    const failing = ledger.startUnit();
    await failing.setLimits(projects.database, 'p', { routerLimit: 1, helperLimit: 1 });
    await failing.undo(true);
    expect(await ledger.startUnit().count(projects.database, 'p', {})).toMatchObject({ routers: 1, routerLimit: 10, helperLimit: null });
  });

  it('writes nothing for a project that was only looked at', async () => {
    const projects = new Projects();
    const ledger = new UsageLedger(statements);
    await ledger.startUnit().count(projects.database, 'p', {});
    const reads = projects.database.asked.length;
    await ledger.write(projects.database);
    expect(projects.database.asked.length).toBe(reads);
  });

  it('reads a project again when the unit that read it first, and locked it, is rolled back', async () => {
    const projects = new Projects();
    const ledger = new UsageLedger(statements);
    const first = ledger.startUnit();
    await first.count(projects.database, 'p', { routers: 1 });
    await first.undo(true);
    projects.row('p').routers = 7;
    expect(await ledger.startUnit().count(projects.database, 'p', { routers: 1 })).toMatchObject({ routers: 8 });
  });

  it('fails a unit whose read fails, and its undo does not', async () => {
    const database = new ScriptedDatabase(() => Promise.reject(new Error('gone')));
    const usage = new UsageLedger(statements).startUnit();
    await expect(usage.count(database, 'p', { routers: 1 })).rejects.toThrow('gone');
    await usage.undo(true);
  });

  it('forgets a batch', async () => {
    const projects = new Projects();
    const ledger = new UsageLedger(statements);
    await ledger.startUnit().count(projects.database, 'p', { routers: 1 });
    ledger.clear();
    await ledger.write(projects.database);
    expect(projects.row('p').routers).toBe(0);
  });
});
