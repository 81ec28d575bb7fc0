import { randomUUID } from 'node:crypto';
import type { RouterId } from '../contract/primitives.ts';
import type { Router, RouterInput } from '../contract/router.ts';
import { InvalidInput, RevisionMismatch } from '../model/errors.ts';
import type { RouterFilter, Writes } from '../store/interface.ts';
import { authoriseRouter, visible } from './authorisation.ts';
import { type Change, type Context, record } from './context.ts';
import { once } from './idempotency.ts';
import { type RuleName, routerTarget } from './policy/policy.ts';
import type { Principal } from './principal.ts';
import { chargeProject } from './quotas.ts';

/** Use cases of routers. No other code writes routers. */
export class Routers {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Returns the routers that match the filter and that the principal may see, ordered by id. */
  async list(principal: Principal, filter: Omit<RouterFilter, 'projectId'> = {}): Promise<Router[]> {
    const policy = this.#context.policy();
    const found = await this.#context.store.read.routers({ ...filter, ...visible(policy, principal) });
    return found.filter((router) => policy.allows(principal, 'get_router', routerTarget(router)));
  }

  /** Returns the router with this id, followed by those with this name, as far as the principal may see them. */
  async find(principal: Principal, nameOrId: string): Promise<Router[]> {
    const [byId, byName] = await Promise.all([this.list(principal, { ids: [nameOrId] }), this.list(principal, { names: [nameOrId] })]);
    return [...byId, ...byName.filter(({ id }) => id !== byId[0]?.id)];
  }

  /** Returns a router. @throws NotFound */
  async get(principal: Principal, id: RouterId): Promise<Router> {
    return authoriseRouter(this.#context.policy(), principal, await this.#context.store.read.router(id), { id, rule: 'get_router' });
  }

  /**
   * Creates a router, by default in the principal's own project.
   * @throws Denied, InvalidInput, PinholeError `netns-in-use`, `quota-exceeded`, `idempotency-mismatch`
   */
  async create(principal: Principal, input: RouterInput): Promise<Router> {
    const policy = this.#context.policy();
    const projectId = input.projectId ?? principal.projectId ?? '';
    policy.enforce(principal, 'create_router', routerTarget({ projectId }));
    if (projectId !== (principal.projectId ?? projectId))
      policy.enforce(principal, 'create_router:project_id', routerTarget({ projectId }));
    const at = this.#context.clock.now().toISOString();
    const router: Router = {
      id: randomUUID() as RouterId,
      name: input.name ?? '',
      description: input.description ?? '',
      projectId,
      ...this.#placement(principal, input, { projectId, before: null }),
      revision: 1,
      confinement: input.confinement ?? null,
      createdAt: at,
      updatedAt: at,
    };
    const made = await this.#context.store.write((tx) =>
      once(tx, principal, { at, what: ['create_router', input] }, async () => {
        await chargeProject(this.#context, tx, projectId, { routers: 1 });
        await tx.insertRouter(router);
        this.#record(tx, principal, { at, action: 'create_router', before: null, after: router });
        return router;
      }),
    );
    this.#context.outbox.wake();
    return made;
  }

  /**
   * Changes the fields that `input` names. An empty change leaves the revision as it is; a change to the present values increments
   * it, as in Neutron.
   * @param change `revision`: the revision for which the change is meant; undefined for any
   * @returns the router after the change
   * @throws NotFound, Denied, InvalidInput, RevisionMismatch, PinholeError `netns-in-use`, `quota-exceeded`
   */
  async update(principal: Principal, id: RouterId, change: { input: RouterInput; revision?: number | undefined }): Promise<Router> {
    const { input, revision } = change;
    const at = this.#context.clock.now().toISOString();
    const changed = await this.#context.store.write(async (tx) => {
      const before = await this.#forChange(tx, principal, { id, rule: 'update_router', revision });
      const projectId = input.projectId ?? before.projectId;
      if (projectId !== before.projectId) this.#context.policy().enforce(principal, 'update_router:project_id', routerTarget(before));
      const fields: Router = {
        ...before,
        name: input.name ?? before.name,
        description: input.description ?? before.description,
        projectId,
        ...this.#placement(principal, input, { projectId: before.projectId, before }),
        confinement: input.confinement === undefined ? before.confinement : input.confinement,
      };
      if (isEmpty(input)) return before;
      const after: Router = { ...fields, revision: before.revision + 1, updatedAt: at };
      if (projectId !== before.projectId) await this.#moveUsage(tx, before, projectId);
      await tx.updateRouter(after);
      this.#record(tx, principal, { at, action: 'update_router', before, after });
      return after;
    });
    this.#context.outbox.wake();
    return changed;
  }

  /** Deletes a router with its helpers. @param revision as in {@link update} @throws NotFound, Denied, RevisionMismatch */
  async delete(principal: Principal, id: RouterId, revision?: number): Promise<void> {
    const at = this.#context.clock.now().toISOString();
    await this.#context.store.write(async (tx) => {
      const router = await this.#forChange(tx, principal, { id, rule: 'delete_router', revision });
      const helpers = await tx.countHelpers(id);
      await tx.deleteRouter(id);
      await chargeProject(this.#context, tx, router.projectId, { routers: -1, helpers: -helpers });
      this.#record(tx, principal, { at, action: 'delete_router', before: router, after: null });
    });
    this.#context.outbox.wake();
  }

  async #forChange(
    tx: Writes,
    principal: Principal,
    wanted: { id: RouterId; rule: RuleName; revision: number | undefined },
  ): Promise<Router> {
    const { id, rule, revision } = wanted;
    const router = authoriseRouter(this.#context.policy(), principal, await tx.lockRouter(id), { id, rule });
    if (revision !== undefined && revision !== router.revision) throw new RevisionMismatch(revision, router.revision);
    return router;
  }

  async #moveUsage(tx: Writes, { id, projectId: from }: Router, to: string): Promise<void> {
    const helpers = await tx.countHelpers(id);
    await chargeProject(this.#context, tx, from, { routers: -1, helpers: -helpers });
    await chargeProject(this.#context, tx, to, { routers: 1, helpers });
  }

  #record(tx: Writes, principal: Principal, change: Pick<Change, 'at' | 'action'> & { before: Router | null; after: Router | null }): void {
    const { before, after } = change;
    const router = (after ?? before) as Router;
    const hosts = [before?.host ?? null, after?.host ?? null];
    record(tx, principal, { ...change, target: router.id, projectId: router.projectId, router, hosts });
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

function isEmpty(input: RouterInput): boolean {
  return Object.values(input).every((value) => value === undefined);
}
