import type { RouterId } from '../contract/primitives.ts';
import type { Router, RouterInput } from '../contract/router.ts';
import { isSelected, type Selector } from '../contract/selector.ts';
import type { RouterFilter } from '../store/interface.ts';
import { authoriseRouter, visible } from './authorisation.ts';
import type { Context, Unit } from './context.ts';
import { once } from './idempotency.ts';
import { routerTarget } from './policy/policy.ts';
import { ownerOf, type Principal } from './principal.ts';
import { type RouterChange, RouterChanges } from './router-changes.ts';

/** Which part of a list: at most `limit` routers, with ids greater than `marker`. */
export interface Page {
  readonly limit: number;
  readonly marker?: string | undefined;
}

/** Use cases of routers. */
export class Routers {
  readonly #context: Context;
  readonly #changes: RouterChanges;

  constructor(context: Context) {
    this.#context = context;
    this.#changes = new RouterChanges(context);
  }

  /** Returns the routers that match the filter and that the principal may see, ordered by id. */
  async list(principal: Principal, filter: Omit<RouterFilter, 'projectId'> = {}): Promise<Router[]> {
    const policy = this.#context.policy();
    const found = await this.#context.store.read.routers({ ...filter, ...visible(policy, principal) });
    return found.filter((router) => policy.allows(principal, 'get_router', routerTarget(router)));
  }

  /**
   * Returns one page of the routers with these labels that the principal may see, ordered by id: fewer than `limit` where others lie
   * between. `next` is the marker of the next page; null after the last one.
   */
  async page(principal: Principal, selector: Selector, { limit, marker }: Page): Promise<{ routers: Router[]; next: RouterId | null }> {
    const policy = this.#context.policy();
    const read = await this.#context.store.read.routers({
      limit,
      ...(marker === undefined ? {} : { marker }),
      ...visible(policy, principal),
    });
    const routers = read.filter((one) => policy.allows(principal, 'get_router', routerTarget(one)) && isSelected(one.labels, selector));
    return { routers, next: read.length < limit ? null : (read.at(-1)?.id ?? null) };
  }

  /** Returns the routers with these labels that the principal may see, ordered by id. */
  async selected(principal: Principal, selector: Selector): Promise<Router[]> {
    return (await this.list(principal)).filter(({ labels }) => isSelected(labels, selector));
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
    const at = this.#at();
    const router = this.#changes.made(principal, input, at);
    return this.#commit(principal, at, (unit) =>
      once(unit.tx, principal, { at, what: ['create_router', input] }, async () => {
        await this.#changes.insert(unit, router);
        return router;
      }),
    );
  }

  /**
   * Changes the fields that `input` names. An empty change leaves the revision as it is; a change to the present values increments
   * it, as in Neutron.
   * @returns the router after the change
   * @throws NotFound, Denied, InvalidInput, RevisionMismatch, PinholeError `netns-in-use`, `quota-exceeded`
   */
  update(principal: Principal, id: RouterId, change: RouterChange): Promise<Router> {
    return this.#commit(principal, this.#at(), (unit) => this.#changes.update(unit, id, change));
  }

  /** Deletes a router with its helpers. @param revision as in {@link update} @throws NotFound, Denied, RevisionMismatch */
  delete(principal: Principal, id: RouterId, revision?: number): Promise<void> {
    return this.#commit(principal, this.#at(), (unit) => this.#changes.delete(unit, id, revision));
  }

  /** Runs a unit of work, and lets the outbox send the hints that it left. */
  async #commit<T>(principal: Principal, at: string, work: (unit: Unit) => Promise<T>): Promise<T> {
    const result = await this.#context.store.write((tx) => work({ tx, principal, at }), ownerOf(principal));
    this.#context.outbox.wake();
    return result;
  }

  #at(): string {
    return this.#context.clock.now().toISOString();
  }
}
