import type { ConntrackHelper, HelperChange, HelperInput, HelperWarning } from '../contract/helper.ts';
import type { HelperId, RouterId } from '../contract/primitives.ts';
import type { Router } from '../contract/router.ts';
import { Hidden } from '../model/errors.ts';
import type { Context, Unit } from './context.ts';
import { HelperChanges, owned } from './helper-changes.ts';
import { once } from './idempotency.ts';
import { ownerOf, ownPrincipal, type Principal } from './principal.ts';
import { warningsOf } from './warnings.ts';

/** Use cases of conntrack helpers. The policy decides by the parent router's project. */
export class Helpers {
  readonly #context: Context;
  readonly #changes: HelperChanges;

  constructor(context: Context) {
    this.#context = context;
    this.#changes = new HelperChanges(context);
  }

  /** Returns the router's helpers, ordered by id. Empty if there is no such router or the principal may not see it, as in Neutron. */
  async list(principal: Principal, routerId: RouterId): Promise<ConntrackHelper[]> {
    const router = await this.#context.store.read.routerHelpers(routerId);
    return router && this.#changes.maySee(principal, router) ? router.helpers : [];
  }

  /** Returns the helpers of each of these routers that the principal may see; an empty list for the others. */
  async listOf(principal: Principal, routers: readonly Router[]): Promise<Map<RouterId, ConntrackHelper[]>> {
    const visible = routers.filter((router) => this.#changes.maySee(principal, router));
    const found = new Map<RouterId, ConntrackHelper[]>(routers.map(({ id }) => [id, []]));
    for (const helper of await this.#context.store.read.helpersOfMany(visible.map(({ id }) => id)))
      found.get(helper.routerId)?.push(helper);
    return found;
  }

  /**
   * Returns a helper of this router.
   * @throws NotFound also for a helper of another router
   * @throws Hidden if the principal may not see the helper
   */
  async get(principal: Principal, routerId: RouterId, id: HelperId): Promise<ConntrackHelper> {
    const { read } = this.#context.store;
    const [found, router] = await Promise.all([read.helper(id), read.router(routerId)]);
    const helper = owned(found, routerId, id);
    if (!router || !this.#changes.maySee(principal, router)) throw new Hidden();
    return helper;
  }

  /** Why a helper will not work, or not for all of its connections. Nothing to a principal that may not see the router's helpers. */
  async warnings(principal: Principal, helper: ConntrackHelper): Promise<HelperWarning[]> {
    return (await warningsOf(this.#context, principal, [helper])).get(helper.id) ?? [];
  }

  /**
   * Creates all of the helpers or, on an error, none.
   * @returns the helpers in the order of `inputs`
   * @throws NotFound, Denied, InvalidInput, PinholeError `helper-not-allowed`, `invalid-protocol-for-helper`, `duplicate-helper`,
   * `quota-exceeded`, `idempotency-mismatch`
   */
  async create(principal: Principal, routerId: RouterId, inputs: readonly HelperInput[]): Promise<ConntrackHelper[]> {
    return this.#commit(principal, (unit) =>
      once(unit.tx, principal, { at: unit.at, what: ['create_conntrack_helper', routerId, inputs] }, async () => {
        const helpers = await this.#changes.create(unit, routerId, inputs);
        await unit.tx.bumpRevision(routerId, unit.at);
        return helpers;
      }),
    );
  }

  /**
   * Changes the fields that `input` names. A change that has no effect leaves the revision as it is.
   * @param change `revision`: the helper's revision for which the change is meant; undefined for any
   * @returns the helper after the change
   * @throws as {@link create}; RevisionMismatch; Hidden if the principal may not even see the helper
   */
  update(
    principal: Principal,
    routerId: RouterId,
    id: HelperId,
    change: { input: HelperChange; revision?: number | undefined },
  ): Promise<ConntrackHelper> {
    const { input, revision } = change;
    return this.#commit(principal, async (unit) => {
      const { before, after } = await this.#changes.update(unit, { routerId, id, revision }, input);
      if (after !== before) await unit.tx.bumpRevision(routerId, unit.at);
      return after;
    });
  }

  /** Deletes a helper. @param revision as in {@link update} @throws NotFound, Denied, Hidden, RevisionMismatch */
  async delete(principal: Principal, routerId: RouterId, id: HelperId, revision?: number): Promise<void> {
    await this.#commit(principal, async (unit) => {
      await this.#changes.delete(unit, { routerId, id, revision });
      await unit.tx.bumpRevision(routerId, unit.at);
    });
  }

  /**
   * Deletes helpers that have expired. No policy is asked, because a principal with the right to do so set the time, and an
   * operator's rules about roles do not cover Pinhole itself.
   * @returns the number of helpers that were due, at most `limit`
   */
  async expire(limit: number): Promise<number> {
    const due = await this.#context.store.read.expiredHelpers(this.#at(), limit);
    for (const { id, routerId } of due) await this.#commit(ownPrincipal('expiry'), (unit) => this.#expireOne(unit, { id, routerId }));
    return due.length;
  }

  /** Leaves a helper alone that was deleted or prolonged meanwhile. */
  async #expireOne(unit: Unit, { id, routerId }: { id: HelperId; routerId: RouterId }): Promise<void> {
    const { tx, at } = unit;
    const router = await tx.lockRouter(routerId);
    const helper = await tx.helper(id);
    if (!router || helper?.routerId !== routerId || helper.expiresAt === null || helper.expiresAt > at) return;
    await this.#changes.remove(unit, { router, helper });
    await tx.bumpRevision(router.id, at);
  }

  /** Runs a unit of work, and lets the outbox send the hints that it left. */
  async #commit<T>(principal: Principal, work: (unit: Unit) => Promise<T>): Promise<T> {
    const at = this.#at();
    const result = await this.#context.store.write((tx) => work({ tx, principal, at }), ownerOf(principal));
    this.#context.outbox.wake();
    return result;
  }

  #at(): string {
    return this.#context.clock.now().toISOString();
  }
}
