import { randomUUID } from 'node:crypto';
import { InvalidInput } from '../model/errors.ts';
import { parseNetns } from '../model/netns.ts';
import type { Confinement, Router, RouterId } from '../model/router.ts';
import type { RouterFilter } from '../store/interface.ts';
import { authoriseRouter, isAdmin, type Principal, requireAdmin, visibleProject } from './authorisation.ts';
import { audit, type Context, notifyHosts } from './context.ts';

/** Fields of a request, as the API took them; undefined where absent. */
export interface RouterInput {
  readonly name?: string | undefined;
  readonly projectId?: string | undefined;
  readonly host?: string | null | undefined;
  readonly netns?: string | null | undefined;
  readonly confinement?: Confinement | null | undefined;
}

const HOST_NAME = /^[A-Za-z0-9_.:-]{1,255}$/;

export class Routers {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  async list(principal: Principal, filter: Omit<RouterFilter, 'projectId'> = {}): Promise<Router[]> {
    return this.#context.store.read.routers({ ...filter, ...visibleProject(principal) });
  }

  /** The router of an id, and those of a name. */
  async find(principal: Principal, nameOrId: string): Promise<Router[]> {
    const [byId, byName] = await Promise.all([this.list(principal, { ids: [nameOrId] }), this.list(principal, { names: [nameOrId] })]);
    return [...byId, ...byName.filter(({ id }) => id !== byId[0]?.id)];
  }

  /** @throws NotFound */
  async get(principal: Principal, id: RouterId): Promise<Router> {
    return authoriseRouter(principal, await this.#context.store.read.router(id), id, { write: false, action: 'get_router' });
  }

  /** @throws Denied, InvalidInput, PinholeError `netns-in-use` */
  async create(principal: Principal, input: RouterInput): Promise<Router> {
    if (principal.role === 'reader') requireAdmin(principal, 'create_router');
    const projectId = input.projectId ?? principal.projectId ?? '';
    if (projectId !== (principal.projectId ?? projectId)) requireAdmin(principal, 'create_router:project_id');
    const at = this.#context.now().toISOString();
    const router: Router = {
      id: randomUUID() as RouterId,
      name: input.name ?? '',
      projectId,
      ...this.#placement(principal, input, null),
      revision: 1,
      confinement: input.confinement ?? null,
      createdAt: at,
      updatedAt: at,
    };
    await this.#context.store.write(async (tx) => {
      await tx.insertRouter(router);
      await notifyHosts(tx, router.id, [router.host], at);
      await audit(tx, principal, { at, action: 'create_router', target: router.id, projectId, before: null, after: router });
    });
    this.#context.outbox.wake();
    return router;
  }

  /** @throws NotFound, Denied, InvalidInput, PinholeError `netns-in-use` */
  async update(principal: Principal, id: RouterId, input: RouterInput): Promise<Router> {
    const at = this.#context.now().toISOString();
    const changed = await this.#context.store.write(async (tx) => {
      const before = authoriseRouter(principal, await tx.router(id), id, { write: true, action: 'update_router' });
      if (input.projectId !== undefined && input.projectId !== before.projectId) requireAdmin(principal, 'update_router:project_id');
      const after: Router = {
        ...before,
        name: input.name ?? before.name,
        projectId: input.projectId ?? before.projectId,
        ...this.#placement(principal, input, before),
        confinement: input.confinement === undefined ? before.confinement : input.confinement,
        revision: before.revision + 1,
        updatedAt: at,
      };
      await tx.updateRouter(after);
      await notifyHosts(tx, id, [before.host, after.host], at);
      await audit(tx, principal, { at, action: 'update_router', target: id, projectId: after.projectId, before, after });
      return after;
    });
    this.#context.outbox.wake();
    return changed;
  }

  /** Its helpers go with it. @throws NotFound, Denied */
  async delete(principal: Principal, id: RouterId): Promise<void> {
    const at = this.#context.now().toISOString();
    await this.#context.store.write(async (tx) => {
      const router = authoriseRouter(principal, await tx.router(id), id, { write: true, action: 'delete_router' });
      await tx.deleteRouter(id);
      await notifyHosts(tx, id, [router.host], at);
      await audit(tx, principal, { at, action: 'delete_router', target: id, projectId: router.projectId, before: router, after: null });
    });
    this.#context.outbox.wake();
  }

  /** `host` and `netns` say on whose machine what is written: an admin's to set. A namespace needs a host. */
  #placement(principal: Principal, input: RouterInput, before: Router | null): Pick<Router, 'host' | 'netns'> {
    const named = input.host !== undefined || input.netns !== undefined;
    if (named && !isAdmin(principal))
      requireAdmin(principal, `${before ? 'update' : 'create'}_router:${input.host !== undefined ? 'host' : 'netns'}`);
    const wanted = input.netns === undefined ? (before?.netns ?? null) : input.netns;
    const netns = wanted === null ? null : parseNetns(wanted);
    const host = input.host === undefined ? (before?.host ?? (netns ? this.#context.defaultHost : null)) : input.host;
    if (host !== null && !HOST_NAME.test(host))
      throw new InvalidInput('host', 'Invalid input for host. It is the name of a host: letters, digits and _.:-, at most 255.');
    if (netns !== null && host === null)
      throw new InvalidInput('host', 'Invalid input for host. A network namespace needs the host that it is on.');
    return { host, netns };
  }
}
