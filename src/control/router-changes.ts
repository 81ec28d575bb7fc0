import { randomUUID } from 'node:crypto';
import { changedLabels, type LabelChanges, type Labels } from '../contract/labels.ts';
import { asPinholeError } from '../contract/mismatch.ts';
import type { RouterId } from '../contract/primitives.ts';
import type { Router, RouterInput } from '../contract/router.ts';
import { InvalidInput, PinholeError, RevisionMismatch } from '../model/errors.ts';
import { didYouMean } from '../model/nearest.ts';
import { authoriseRouter } from './authorisation.ts';
import { type Change, type Context, record, type Unit } from './context.ts';
import { type RuleName, routerTarget } from './policy/policy.ts';
import { whyAway } from './presence.ts';
import type { Principal } from './principal.ts';
import { chargeProject } from './quotas.ts';

/** A change of one router. */
export interface RouterChange {
  readonly input: RouterInput;
  /** Labels that change, beside the others; `input` does not name labels then. */
  readonly labels?: LabelChanges | undefined;
  /** The revision for which the change is meant; undefined for any. */
  readonly revision?: number | undefined;
  /** Whether the router may move to a host that does not serve it now. */
  readonly force?: boolean | undefined;
  /** The router as it was before its unit of work made it give up its namespace for another router. */
  readonly vacated?: Router | undefined;
}

/**
 * Changes of routers within a unit of work: policy, quotas, audit and events. {@link Routers} makes a unit of each, and {@link
 * Manifests} one of many. No other code writes routers.
 */
export class RouterChanges {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Returns a new router as it will be created. @throws Denied, InvalidInput */
  made(principal: Principal, input: RouterInput, at: string): Router {
    const policy = this.#context.policy();
    const projectId = input.projectId ?? principal.projectId ?? '';
    policy.enforce(principal, 'create_router', routerTarget({ projectId }));
    if (projectId !== (principal.projectId ?? projectId))
      policy.enforce(principal, 'create_router:project_id', routerTarget({ projectId }));
    return {
      id: randomUUID() as RouterId,
      name: input.name ?? '',
      description: input.description ?? '',
      projectId,
      ...this.#placement(principal, input, { projectId, before: null }),
      revision: 1,
      confinement: input.confinement === undefined ? this.#context.newConfinement : input.confinement,
      labels: input.labels ?? {},
      createdAt: at,
      updatedAt: at,
    };
  }

  /** Inserts a router that {@link made} returned. @throws PinholeError `netns-in-use`, `quota-exceeded` */
  async insert(unit: Unit, router: Router): Promise<void> {
    await chargeProject(this.#context, unit.tx, router.projectId, { routers: 1 });
    await unit.tx.insertRouter(router);
    this.#record(unit, { action: 'create_router', before: null, after: router });
  }

  /** Changes a router; see {@link Routers.update}. */
  async update(unit: Unit, id: RouterId, change: RouterChange): Promise<Router> {
    const { tx, principal, at } = unit;
    const { input, revision, vacated } = change;
    const locked = await this.#forChange(unit, { id, rule: 'update_router', revision });
    const before = vacated ?? locked;
    const projectId = input.projectId ?? before.projectId;
    if (projectId !== before.projectId) this.#context.policy().enforce(principal, 'update_router:project_id', routerTarget(before));
    const fields: Router = {
      ...before,
      name: input.name ?? before.name,
      description: input.description ?? before.description,
      projectId,
      ...this.#placement(principal, input, { projectId: before.projectId, before }),
      confinement: input.confinement === undefined ? before.confinement : input.confinement,
      labels: labelsAfter(before, change),
    };
    if (isEmpty(input) && change.labels === undefined) return before;
    if (change.force !== true) await this.#checkMove(unit, before, fields);
    const after: Router = { ...fields, revision: before.revision + 1, updatedAt: at };
    if (projectId !== before.projectId) await this.#moveUsage(unit, before, projectId);
    await tx.updateRouter(after);
    this.#record(unit, { action: 'update_router', before, after });
    return after;
  }

  /** Deletes a router; see {@link Routers.delete}. */
  async delete(unit: Unit, id: RouterId, revision?: number): Promise<void> {
    const router = await this.#forChange(unit, { id, rule: 'delete_router', revision });
    const helpers = await unit.tx.countHelpers(id);
    await unit.tx.deleteRouter(id);
    await chargeProject(this.#context, unit.tx, router.projectId, { routers: -1, helpers: -helpers });
    this.#record(unit, { action: 'delete_router', before: router, after: null });
  }

  /** A router that one host serves must not vanish on another. @throws PinholeError `host-unavailable` */
  async #checkMove({ tx, at }: Unit, { host: from }: Router, { host: to }: Router): Promise<void> {
    if (from === null || to === null || from === to) return;
    const agent = await tx.agent(to);
    const why = agent ? whyAway(agent, new Date(at)) : `no agent has ever reported from host ${to}`;
    if (why === null) return;
    const meant = agent
      ? ''
      : didYouMean(
          to,
          (await tx.agents()).map(({ host }) => host),
        );
    const message = `${why}, so the router would lose its helpers on ${from}.${meant} Use force to move it all the same.`;
    throw new PinholeError('host-unavailable', message, { details: { field: 'host' } });
  }

  async #forChange(unit: Unit, wanted: { id: RouterId; rule: RuleName; revision: number | undefined }): Promise<Router> {
    const { id, rule, revision } = wanted;
    const router = authoriseRouter(this.#context.policy(), unit.principal, await unit.tx.lockRouter(id), { id, rule });
    if (revision !== undefined && revision !== router.revision) throw new RevisionMismatch(revision, router.revision);
    return router;
  }

  async #moveUsage({ tx }: Unit, { id, projectId: from }: Router, to: string): Promise<void> {
    const helpers = await tx.countHelpers(id);
    await chargeProject(this.#context, tx, from, { routers: -1, helpers: -helpers });
    await chargeProject(this.#context, tx, to, { routers: 1, helpers });
  }

  #record({ tx, principal, at }: Unit, change: Pick<Change, 'action'> & { before: Router | null; after: Router | null }): void {
    const { before, after } = change;
    const router = (after ?? before) as Router;
    const hosts = [before?.host ?? null, after?.host ?? null];
    record(tx, principal, { ...change, at, target: router.id, projectId: router.projectId, router, hosts });
  }

  /**
   * Returns host and namespace after the change. They decide on whose machine Pinhole writes, so that by default only an admin may
   * set them.
   * @throws Denied; InvalidInput for a namespace without a host
   */
  #placement(
    principal: Principal,
    input: RouterInput,
    { projectId, before }: { projectId: string; before: Router | null },
  ): Pick<Router, 'host' | 'netns'> {
    for (const field of ['host', 'netns'] as const) {
      const rule: RuleName = `${before ? 'update' : 'create'}_router:${field}`;
      if (input[field] !== undefined) this.#context.policy().enforce(principal, rule, routerTarget({ projectId }));
    }
    const netns = input.netns === undefined ? (before?.netns ?? null) : input.netns;
    const host = input.host === undefined ? (before?.host ?? (netns ? this.#context.defaultHost : null)) : input.host;
    if (netns !== null && host === null) throw new InvalidInput('host', 'Invalid input for host. A network namespace needs a host.');
    return { host, netns };
  }
}

/** @throws InvalidInput for too many labels */
function labelsAfter({ labels: before }: Router, { input, labels: changes }: RouterChange): Labels {
  if (changes === undefined) return input.labels ?? before;
  try {
    return changedLabels(before, changes);
  } catch (error) {
    throw asPinholeError(error, 'labels', 'input');
  }
}

function isEmpty(input: RouterInput): boolean {
  return Object.values(input).every((value) => value === undefined);
}
