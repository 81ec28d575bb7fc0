import { randomUUID } from 'node:crypto';
import type { ConntrackHelper, HelperChange, HelperInput } from '../contract/helper.ts';
import { type HelperId, MAX_HELPERS_PER_ROUTER, type RouterId } from '../contract/primitives.ts';
import type { Router } from '../contract/router.ts';
import { formatScope } from '../contract/scope.ts';
import { findHelper } from '../model/catalogue.ts';
import { Hidden, InvalidInput, NotFound, PinholeError, RevisionMismatch } from '../model/errors.ts';
import type { Writes } from '../store/interface.ts';
import { type Context, record } from './context.ts';
import { once } from './idempotency.ts';
import { helperTarget, type RuleName } from './policy/policy.ts';
import { ownPrincipal, type Principal } from './principal.ts';
import { chargeProject, exceeded } from './quotas.ts';

type Action = 'create' | 'update' | 'delete';

interface RecordedChange {
  readonly action: Action;
  readonly router: Router;
  readonly at: string;
  readonly before: ConntrackHelper | null;
  readonly after: ConntrackHelper | null;
}

/** Use cases of conntrack helpers. No other code writes helpers. The policy decides by the parent router's project. */
export class Helpers {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Returns the router's helpers, ordered by id. Empty if there is no such router or the principal may not see it, as in Neutron. */
  async list(principal: Principal, routerId: RouterId): Promise<ConntrackHelper[]> {
    const router = await this.#context.store.read.routerHelpers(routerId);
    return router && this.#maySee(principal, router) ? router.helpers : [];
  }

  /** Returns the helpers of each of these routers that the principal may see; an empty list for the others. */
  async listOf(principal: Principal, routers: readonly Router[]): Promise<Map<RouterId, ConntrackHelper[]>> {
    const visible = routers.filter((router) => this.#maySee(principal, router));
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
    if (!router || !this.#maySee(principal, router)) throw new Hidden();
    return helper;
  }

  /**
   * Creates all of the helpers or, on an error, none.
   * @returns the helpers in the order of `inputs`
   * @throws NotFound, Denied, InvalidInput, PinholeError `helper-not-allowed`, `invalid-protocol-for-helper`, `duplicate-helper`,
   * `quota-exceeded`, `idempotency-mismatch`
   */
  async create(principal: Principal, routerId: RouterId, inputs: readonly HelperInput[]): Promise<ConntrackHelper[]> {
    const at = this.#at();
    return this.#commit((tx) =>
      once(tx, principal, { at, what: ['create_conntrack_helper', routerId, inputs] }, async () => {
        const router = await this.#parentForCreate(tx, principal, routerId, inputs);
        const helpers = inputs.map((input) => this.#made(routerId, input));
        await this.#checkQuotas(tx, router, helpers.length);
        for (const helper of helpers) {
          if (!(await tx.insertHelper(helper, at))) throw duplicate(helper);
          this.#record(tx, principal, { action: 'create', router, at, before: null, after: helper });
        }
        await tx.bumpRevision(routerId, at);
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
  async update(
    principal: Principal,
    routerId: RouterId,
    id: HelperId,
    change: { input: HelperChange; revision?: number | undefined },
  ): Promise<ConntrackHelper> {
    const at = this.#at();
    return this.#commit(async (tx) => {
      const { router, helper: before } = await this.#forChange(tx, principal, {
        routerId,
        id,
        action: 'update',
        revision: change.revision,
      });
      const { input } = change;
      const after: ConntrackHelper = {
        ...before,
        protocol: input.protocol ?? before.protocol,
        port: input.port ?? before.port,
        helper: input.helper ?? before.helper,
        scope: input.scope === undefined ? before.scope : input.scope,
        expiresAt: input.expiresAt === undefined ? before.expiresAt : this.#expiry(input.expiresAt),
        revision: before.revision + 1,
      };
      this.#checkAllowed(after);
      if (isSame(before, after)) return before;
      if (!(await tx.updateHelper(after))) throw duplicate(after);
      this.#record(tx, principal, { action: 'update', router, at, before, after });
      await tx.bumpRevision(routerId, at);
      return after;
    });
  }

  /** Deletes a helper. @param revision as in {@link update} @throws NotFound, Denied, Hidden, RevisionMismatch */
  async delete(principal: Principal, routerId: RouterId, id: HelperId, revision?: number): Promise<void> {
    const at = this.#at();
    await this.#commit(async (tx) => {
      const { router, helper } = await this.#forChange(tx, principal, { routerId, id, action: 'delete', revision });
      await this.#remove(tx, principal, { router, helper, at });
    });
  }

  /**
   * Deletes helpers that have expired. No policy is asked, because a principal with the right to do so set the time, and an
   * operator's rules about roles do not cover Pinhole itself.
   * @returns the number of helpers that were due, at most `limit`
   */
  async expire(limit: number): Promise<number> {
    const at = this.#at();
    const due = await this.#context.store.read.expiredHelpers(at, limit);
    for (const { id, routerId } of due) await this.#commit((tx) => this.#expireOne(tx, { id, routerId, at }));
    return due.length;
  }

  /** Leaves a helper alone that was deleted or prolonged meanwhile. */
  async #expireOne(tx: Writes, { id, routerId, at }: { id: HelperId; routerId: RouterId; at: string }): Promise<void> {
    const router = await tx.lockRouter(routerId);
    const helper = await tx.helper(id);
    if (!router || helper?.routerId !== routerId || helper.expiresAt === null || helper.expiresAt > at) return;
    await this.#remove(tx, ownPrincipal('expiry'), { router, helper, at });
  }

  async #remove(tx: Writes, principal: Principal, gone: { router: Router; helper: ConntrackHelper; at: string }): Promise<void> {
    const { router, helper, at } = gone;
    await tx.deleteHelper(helper.id);
    await chargeProject(this.#context, tx, router.projectId, { helpers: -1 });
    this.#record(tx, principal, { action: 'delete', router, at, before: helper, after: null });
    await tx.bumpRevision(router.id, at);
  }

  /** Runs a unit of work, and lets the outbox send the hints that it left. */
  async #commit<T>(work: (tx: Writes) => Promise<T>): Promise<T> {
    const result = await this.#context.store.write(work);
    this.#context.outbox.wake();
    return result;
  }

  /**
   * Keeps Neutron's order of checks: a principal without the right to create learns nothing else, and a helper that is not allowed
   * is reported before a router that does not exist.
   */
  async #parentForCreate(tx: Writes, principal: Principal, routerId: RouterId, inputs: readonly HelperInput[]): Promise<Router> {
    const policy = this.#context.policy();
    const router = await tx.lockRouter(routerId);
    const target = router ? helperTarget(router) : {};
    const isAllowed = policy.allows(principal, 'create_router_conntrack_helper', target);
    if (!router && !isAllowed) throw new NotFound('router', routerId);
    policy.enforce(principal, 'create_router_conntrack_helper', target);
    for (const input of inputs) this.#checkAllowed(input);
    if (!router) throw new NotFound('router', routerId);
    return router;
  }

  async #forChange(
    tx: Writes,
    principal: Principal,
    wanted: { routerId: RouterId; id: HelperId; action: 'update' | 'delete'; revision: number | undefined },
  ): Promise<{ router: Router; helper: ConntrackHelper }> {
    const { routerId, id, action, revision } = wanted;
    const router = await tx.lockRouter(routerId);
    const helper = owned(await tx.helper(id), routerId, id);
    if (!router) throw new NotFound('helper', id);
    const rule: RuleName = `${action}_router_conntrack_helper`;
    const policy = this.#context.policy();
    if (!policy.allows(principal, rule, helperTarget(router)) && !this.#maySee(principal, router)) throw new Hidden();
    policy.enforce(principal, rule, helperTarget(router));
    if (revision !== undefined && revision !== helper.revision) throw new RevisionMismatch(revision, helper.revision);
    return { router, helper };
  }

  #maySee(principal: Principal, router: Pick<Router, 'projectId'>): boolean {
    return this.#context.policy().allows(principal, 'get_router_conntrack_helper', helperTarget(router));
  }

  #record(tx: Writes, principal: Principal, { action, router, at, before, after }: RecordedChange): void {
    const target = (after ?? before)?.id ?? '';
    const change = { at, action: `${action}_conntrack_helper`, target, projectId: router.projectId, before, after };
    record(tx, principal, { ...change, router, hosts: [router.host] });
  }

  async #checkQuotas(tx: Writes, router: Router, added: number): Promise<void> {
    const { helpersPerRouter: quota } = this.#context.quotas;
    const limit = quota < 0 ? MAX_HELPERS_PER_ROUTER : Math.min(quota, MAX_HELPERS_PER_ROUTER);
    if ((await tx.countHelpers(router.id)) + added > limit) throw exceeded(`a router has at most ${limit} conntrack helpers`);
    await chargeProject(this.#context, tx, router.projectId, { helpers: added });
  }

  #checkAllowed({ helper, protocol }: Pick<HelperInput, 'helper' | 'protocol'>): void {
    const protocols = Object.hasOwn(this.#context.allowed, helper) && findHelper(helper) ? this.#context.allowed[helper] : undefined;
    if (!protocols) {
      throw new PinholeError('helper-not-allowed', `Conntrack Helper ${helper} is not allowed.`, { details: { field: 'helper' } });
    }
    if (!(protocols as readonly string[]).includes(protocol)) {
      const supported = protocols.join(', ');
      throw new PinholeError(
        'invalid-protocol-for-helper',
        `Conntrack Helper ${helper} does not support: ${protocol}. Supported protocols are: ${supported}`,
        { details: { field: 'protocol' } },
      );
    }
  }

  #made(routerId: RouterId, input: HelperInput): ConntrackHelper {
    return {
      id: randomUUID() as HelperId,
      routerId,
      protocol: input.protocol,
      port: input.port,
      helper: input.helper,
      scope: input.scope ?? null,
      expiresAt: this.#expiry(input.expiresAt),
      revision: 1,
    };
  }

  #at(): string {
    return this.#context.clock.now().toISOString();
  }

  #expiry(value: string | null | undefined): string | null {
    if (value === null || value === undefined) return null;
    if (Date.parse(value) <= this.#context.clock.now().getTime())
      throw new InvalidInput('expires_at', 'Invalid input for expires_at. It is a time in the future, like 2030-01-31T12:00:00Z.');
    return value;
  }
}

function owned(helper: ConntrackHelper | null, routerId: RouterId, id: string): ConntrackHelper {
  if (helper?.routerId !== routerId) throw new NotFound('helper', id);
  return helper;
}

function isSame(before: ConntrackHelper, after: ConntrackHelper): boolean {
  return (
    before.protocol === after.protocol &&
    before.port === after.port &&
    before.helper === after.helper &&
    before.expiresAt === after.expiresAt &&
    formatScope(before.scope) === formatScope(after.scope)
  );
}

function duplicate(helper: ConntrackHelper): PinholeError {
  const { routerId, protocol, port, helper: name, scope } = helper;
  const values = { router_id: routerId, protocol, port, helper: name, ...(scope ? { scope: formatScope(scope) } : {}) };
  return new PinholeError('duplicate-helper', 'A duplicate conntrack helper entry with same attributes already exists', {
    details: { values },
  });
}
