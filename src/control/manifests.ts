import { type Applied, type AppliedStep, type AppliedWarning, MAX_STEPS, type ManifestPlan } from '../contract/applied.ts';
import type { Bulk } from '../contract/bulk.ts';
import type { Declared, Manifest, ManifestRouter } from '../contract/manifest.ts';
import type { Router } from '../contract/router.ts';
import { isSelected, type Selector } from '../contract/selector.ts';
import { PinholeError } from '../model/errors.ts';
import { Gate } from '../model/gate.ts';
import { grouped } from '../model/grouped.ts';
import type { Writes } from '../store/interface.ts';
import { visible } from './authorisation.ts';
import { bulkSteps } from './bulk-steps.ts';
import type { Context, Unit } from './context.ts';
import { once } from './idempotency.ts';
import { ManifestRun, shownStep } from './manifest-run.ts';
import { planSteps, type Step } from './manifest-steps.ts';
import { helperTarget, routerTarget } from './policy/policy.ts';
import { ownerOf, type Principal } from './principal.ts';
import { warningsOf } from './warnings.ts';

/** Files that are worked on at the same time, and those that wait. Each is held in memory. */
const GATE = { running: 2, waiting: 32 } as const;
/** Number of helpers that a request made or changed and about which warnings are sought. */
const MAX_FORESEEN = 1_000;
/** Number of routers of a manifest that one query looks up. */
const CHUNK = 500;

/** What a request asks: a manifest, whether what it does not name is removed, and whether routers may move to hosts that do not serve them now. */
export interface ManifestRequest {
  readonly manifest: Manifest;
  readonly prune: boolean;
  readonly force: boolean;
}

/** Use cases of manifests: many changes of routers and helpers in one transaction. */
export class Manifests {
  readonly #context: Context;
  readonly #gate = new Gate(GATE);

  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * Makes the declared state that the principal may see equal to a manifest: all of it or, on an error, nothing. Each router that
   * changes gets one new revision.
   * @returns the changes
   * @throws as the use cases of single routers and helpers, with `details.field` naming the place in the manifest; PinholeError
   * `too-large` for more than {@link MAX_STEPS} changes; `overloaded`
   */
  apply(principal: Principal, request: ManifestRequest): Promise<Applied> {
    return this.#changing(principal, ['apply_manifest', request], (unit) => this.#plan(unit, request), request);
  }

  /**
   * Returns the changes that {@link apply} would make, and the error with which it would refuse them. Makes them in a transaction that
   * is then undone, so that quotas and other rules are asked as for `apply`.
   * @throws InvalidInput for a manifest that cannot be compared with the declared state; Denied; PinholeError `too-large`, `overloaded`
   */
  async plan(principal: Principal, request: ManifestRequest): Promise<ManifestPlan> {
    return this.#gate.run(async () => {
      try {
        return await this.#context.store.write(async (tx): Promise<never> => {
          const unit = this.#unit(tx, principal);
          await tx.lockManifests();
          const steps = await this.#plan(unit, request);
          throw new Undone({ steps: steps.map((step) => shownStep(step)), ...(await this.#tried(unit, steps, request)) });
        }, ownerOf(principal));
      } catch (error) {
        if (error instanceof Undone) return error.plan;
        throw error;
      }
    }, ownerOf(principal));
  }

  /**
   * Makes one change to the helpers of all routers with these labels that the principal may see: of all of them or, on an error, of
   * none.
   * @returns the changes
   * @throws as {@link apply}; InvalidInput if it is not clear which helper of a router is meant
   */
  async bulk(principal: Principal, selector: Selector, change: Bulk): Promise<Applied> {
    return this.#changing(principal, ['bulk', selector, change], async (unit) => {
      const isMeant = ({ labels }: Router) => isSelected(labels, selector);
      const all = await unit.tx.routers(visible(this.#context.policy(), principal));
      const declared = await this.#locked(unit, all.filter(isMeant));
      return bounded(
        bulkSteps(
          change,
          declared.filter(({ router }) => isMeant(router)),
        ),
      );
    });
  }

  /** Makes the changes that `plan` returns, in one transaction. @param what identifies the request, for its idempotency key */
  async #changing(
    principal: Principal,
    what: unknown,
    plan: (unit: Unit) => Promise<Step[]>,
    options: Pick<ManifestRequest, 'force'> = { force: false },
  ): Promise<Applied> {
    return this.#gate.run(async () => {
      const { steps } = await this.#context.store.write((tx) => {
        const unit = this.#unit(tx, principal);
        return once(tx, principal, { at: unit.at, what }, async () => {
          await tx.lockManifests();
          const steps = await plan(unit);
          return { steps: await new ManifestRun(this.#context, unit, options).perform(steps) };
        });
      }, ownerOf(principal));
      this.#context.outbox.wake();
      return { steps, warnings: await this.#warnings(principal, steps) };
    }, ownerOf(principal));
  }

  async #warnings(principal: Principal, steps: readonly AppliedStep[]): Promise<AppliedWarning[]> {
    const changed = steps.flatMap(({ step, routerId, helperId }) =>
      step !== 'delete-helper' && routerId !== null && helperId !== null ? [{ routerId, id: helperId }] : [],
    );
    const found = await warningsOf(this.#context, principal, changed.slice(0, MAX_FORESEEN));
    return [...found].flatMap(([helperId, warnings]) => warnings.map((warning) => ({ helperId, ...warning })));
  }

  async #tried(unit: Unit, steps: readonly Step[], options: Pick<ManifestRequest, 'force'>): Promise<Pick<ManifestPlan, 'refusal'>> {
    try {
      await new ManifestRun(this.#context, unit, options).perform(steps);
      return { refusal: null };
    } catch (error) {
      if (!(error instanceof PinholeError)) throw error;
      const { code, message, details } = error;
      return { refusal: { code, message, field: details.field ?? null } };
    }
  }

  #unit(tx: Writes, principal: Principal): Unit {
    return { tx, principal, at: this.#context.clock.now().toISOString() };
  }

  async #plan(unit: Unit, { manifest, prune }: ManifestRequest): Promise<Step[]> {
    const declared = await this.#declared(unit, manifest, prune);
    return bounded(planSteps(manifest, declared, { prune, now: new Date(unit.at) }));
  }

  /** Returns the routers that the manifest is about; with `all`, every router that the principal may see. */
  async #declared(unit: Unit, { routers }: Manifest, all: boolean): Promise<Declared[]> {
    return this.#locked(unit, await this.#concerned(unit.tx, routers, { ...visible(this.#context.policy(), unit.principal), all }));
  }

  /**
   * Returns those of the routers that the principal may see, locked, in the order of their names. Locks are taken in the order of ids,
   * and before any quota's, so that no two units wait for each other.
   */
  async #locked({ tx, principal }: Unit, routers: readonly Router[]): Promise<Declared[]> {
    const policy = this.#context.policy();
    const seen = routers.filter((router) => policy.allows(principal, 'get_router', routerTarget(router)));
    for (const router of seen) policy.enforce(principal, 'get_router_conntrack_helper', helperTarget(router));
    const locked: Router[] = [];
    for (const { id } of seen.sort((a, b) => (a.id < b.id ? -1 : 1))) {
      const router = await tx.lockRouter(id);
      if (router) locked.push(router);
    }
    const helpers = grouped(await tx.helpersOfMany(locked.map(({ id }) => id)), ({ routerId }) => [routerId]);
    return locked.sort(byName).map((router) => ({ router, helpers: helpers.get(router.id) ?? [] }));
  }

  async #concerned(tx: Writes, routers: readonly ManifestRouter[], from: { projectId?: string; all: boolean }): Promise<Router[]> {
    const { all, ...filter } = from;
    if (all) return tx.routers(filter);
    const found = new Map<string, Router>();
    const add = (some: readonly Router[]) => {
      for (const router of some) found.set(router.id, router);
    };
    for (let at = 0; at < routers.length; at += CHUNK) {
      const part = routers.slice(at, at + CHUNK);
      const ids = part.flatMap(({ id }) => id ?? []);
      const names = part.flatMap(({ id, name }) => (id === null ? [name] : []));
      if (ids.length > 0) add(await tx.routers({ ...filter, ids }));
      if (names.length > 0) add(await tx.routers({ ...filter, names }));
    }
    return [...found.values()];
  }
}

/** Steps, and the error of the first that fails, come in an order that users can predict: ids are random. */
function byName(a: Router, b: Router): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

/** Ends a unit of work whose changes are not to be kept. */
class Undone extends Error {
  readonly plan: ManifestPlan;

  constructor(plan: ManifestPlan) {
    super('the plan is complete');
    this.plan = plan;
  }
}

/** @throws PinholeError `too-large` for more than {@link MAX_STEPS} */
function bounded(steps: Step[]): Step[] {
  if (steps.length <= MAX_STEPS) return steps;
  throw new PinholeError('too-large', `This asks for ${steps.length} changes, more than ${MAX_STEPS} at a time. Make them in parts.`);
}
