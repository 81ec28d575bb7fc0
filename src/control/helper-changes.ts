import { randomUUID } from 'node:crypto';
import type { ConntrackHelper, HelperChange, HelperInput } from '../contract/helper.ts';
import { type HelperId, MAX_HELPERS_PER_ROUTER, type RouterId } from '../contract/primitives.ts';
import type { Router } from '../contract/router.ts';
import { formatScope } from '../contract/scope.ts';
import { findHelper } from '../model/catalogue.ts';
import { Hidden, InvalidInput, NotFound, PinholeError, RevisionMismatch } from '../model/errors.ts';
import { type Context, record, type Unit } from './context.ts';
import { helperTarget, type RuleName } from './policy/policy.ts';
import type { Principal } from './principal.ts';
import { chargeProject, exceeded } from './quotas.ts';

type Action = 'create' | 'update' | 'delete';

interface RecordedChange {
  readonly action: Action;
  readonly router: Router;
  readonly before: ConntrackHelper | null;
  readonly after: ConntrackHelper | null;
}

/** Names a helper of a router, and the revision of the helper for which a change is meant; undefined for any. */
export interface HelperRef {
  readonly routerId: RouterId;
  readonly id: HelperId;
  readonly revision?: number | undefined;
}

/**
 * Changes of helpers within a unit of work: policy, catalogue, quotas, audit and events. The caller increments the router's
 * revision, once for all changes of the unit. {@link Helpers} makes a unit of each, and {@link Manifests} one of many. No other
 * code writes helpers.
 */
export class HelperChanges {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Creates all of the helpers; see {@link Helpers.create}. */
  async create(unit: Unit, routerId: RouterId, inputs: readonly HelperInput[]): Promise<ConntrackHelper[]> {
    const router = await this.#parentForCreate(unit, routerId, inputs);
    const helpers = inputs.map((input) => this.#made(routerId, input));
    await this.#checkQuotas(unit, router, helpers.length);
    for (const helper of helpers) {
      if (!(await unit.tx.insertHelper(helper, unit.at))) throw duplicate(helper);
      this.#record(unit, { action: 'create', router, before: null, after: helper });
    }
    return helpers;
  }

  /** Changes a helper; see {@link Helpers.update}. @returns the helper after the change; the same revision if nothing changed */
  async update(unit: Unit, ref: HelperRef, input: HelperChange): Promise<{ before: ConntrackHelper; after: ConntrackHelper }> {
    const { router, helper: before } = await this.#forChange(unit, ref, 'update');
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
    if (isSame(before, after)) return { before, after: before };
    if (!(await unit.tx.updateHelper(after))) throw duplicate(after);
    this.#record(unit, { action: 'update', router, before, after });
    return { before, after };
  }

  /** Deletes a helper; see {@link Helpers.delete}. */
  async delete(unit: Unit, ref: HelperRef): Promise<void> {
    await this.remove(unit, await this.#forChange(unit, ref, 'delete'));
  }

  /** Deletes a helper without asking the policy. */
  async remove(unit: Unit, { router, helper }: { router: Router; helper: ConntrackHelper }): Promise<void> {
    await unit.tx.deleteHelper(helper.id);
    await chargeProject(this.#context, unit.tx, router.projectId, { helpers: -1 });
    this.#record(unit, { action: 'delete', router, before: helper, after: null });
  }

  /** Whether the principal may see the router's helpers. */
  maySee(principal: Principal, router: Pick<Router, 'projectId'>): boolean {
    return this.#context.policy().allows(principal, 'get_router_conntrack_helper', helperTarget(router));
  }

  /**
   * Keeps Neutron's order of checks: a principal without the right to create learns nothing else, and a helper that is not allowed
   * is reported before a router that does not exist.
   */
  async #parentForCreate({ tx, principal }: Unit, routerId: RouterId, inputs: readonly HelperInput[]): Promise<Router> {
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
    { tx, principal }: Unit,
    { routerId, id, revision }: HelperRef,
    action: 'update' | 'delete',
  ): Promise<{ router: Router; helper: ConntrackHelper }> {
    const router = await tx.lockRouter(routerId);
    const helper = owned(await tx.helper(id), routerId, id);
    if (!router) throw new NotFound('helper', id);
    const rule: RuleName = `${action}_router_conntrack_helper`;
    const policy = this.#context.policy();
    if (!policy.allows(principal, rule, helperTarget(router)) && !this.maySee(principal, router)) throw new Hidden();
    policy.enforce(principal, rule, helperTarget(router));
    if (revision !== undefined && revision !== helper.revision) throw new RevisionMismatch(revision, helper.revision);
    return { router, helper };
  }

  #record({ tx, principal, at }: Unit, { action, router, before, after }: RecordedChange): void {
    const target = (after ?? before)?.id ?? '';
    const change = { at, action: `${action}_conntrack_helper`, target, projectId: router.projectId, before, after };
    record(tx, principal, { ...change, router, hosts: [router.host] });
  }

  async #checkQuotas({ tx }: Unit, router: Router, added: number): Promise<void> {
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

  #expiry(value: string | null | undefined): string | null {
    if (value === null || value === undefined) return null;
    if (Date.parse(value) <= this.#context.clock.now().getTime())
      throw new InvalidInput('expires_at', 'Invalid input for expires_at. It is a time in the future, like 2030-01-31T12:00:00Z.');
    return value;
  }
}

/** Returns the helper if it is of this router. @throws NotFound */
export function owned(helper: ConntrackHelper | null, routerId: RouterId, id: string): ConntrackHelper {
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
