import { randomUUID } from 'node:crypto';
import { findHelper } from '../model/catalogue.ts';
import { type ConntrackHelper, formatScope, type HelperId, type Scope } from '../model/conntrack-helper.ts';
import { InvalidInput, NotFound, PinholeError } from '../model/errors.ts';
import type { Router, RouterId } from '../model/router.ts';
import type { Writes } from '../store/interface.ts';
import { authoriseRouter, type Principal } from './authorisation.ts';
import { audit, type Context, notifyHosts } from './context.ts';

export interface HelperInput {
  readonly protocol: string;
  readonly port: number;
  readonly helper: string;
  readonly scope?: Scope | null | undefined;
  readonly expiresAt?: string | null | undefined;
}

type Action = 'create' | 'update' | 'delete';

/** Use cases of conntrack helpers: the only writer of them. */
export class Helpers {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Of a router that is not there, or not the principal's: none (Neutron's answer). */
  async list(principal: Principal, routerId: RouterId): Promise<ConntrackHelper[]> {
    const router = await this.#context.store.read.router(routerId);
    const visible = router && (principal.role === 'admin' || principal.projectId === router.projectId);
    return visible ? this.#context.store.read.helpersOf(routerId) : [];
  }

  /** @throws NotFound also for a helper of another router */
  async get(principal: Principal, routerId: RouterId, id: HelperId): Promise<ConntrackHelper> {
    authoriseRouter(principal, await this.#context.store.read.router(routerId), routerId, {
      write: false,
      action: 'get_router_conntrack_helper',
    });
    return owned(await this.#context.store.read.helper(id), routerId, id);
  }

  /**
   * All of them or none.
   * @throws NotFound, Denied, InvalidInput, PinholeError `helper-not-allowed`, `invalid-protocol-for-helper`,
   * `duplicate-helper`, `quota-exceeded`
   */
  async create(principal: Principal, routerId: RouterId, inputs: readonly HelperInput[]): Promise<ConntrackHelper[]> {
    for (const input of inputs) this.#checkAllowed(input);
    const helpers = inputs.map(
      (input): ConntrackHelper => ({
        id: randomUUID() as HelperId,
        routerId,
        protocol: input.protocol,
        port: input.port,
        helper: input.helper,
        scope: input.scope ?? null,
        expiresAt: this.#expiry(input.expiresAt),
      }),
    );
    await this.#change(principal, routerId, 'create', async (tx, router, at) => {
      await this.#checkQuota(tx, routerId, helpers.length);
      for (const helper of helpers) {
        if (!(await tx.insertHelper(helper, at))) throw duplicate(helper);
        await this.#audit(tx, principal, { action: 'create', router, at, before: null, after: helper });
      }
    });
    return helpers;
  }

  /** An empty change is allowed. @throws as {@link create} */
  async update(principal: Principal, routerId: RouterId, id: HelperId, input: Partial<HelperInput>): Promise<ConntrackHelper> {
    return this.#change(principal, routerId, 'update', async (tx, router, at) => {
      const before = owned(await tx.helper(id), routerId, id);
      const after: ConntrackHelper = {
        ...before,
        protocol: input.protocol ?? before.protocol,
        port: input.port ?? before.port,
        helper: input.helper ?? before.helper,
        scope: input.scope === undefined ? before.scope : input.scope,
        expiresAt: input.expiresAt === undefined ? before.expiresAt : this.#expiry(input.expiresAt),
      };
      this.#checkAllowed(after);
      if (!(await tx.updateHelper(after))) throw duplicate(after);
      await this.#audit(tx, principal, { action: 'update', router, at, before, after });
      return after;
    });
  }

  async delete(principal: Principal, routerId: RouterId, id: HelperId): Promise<void> {
    await this.#change(principal, routerId, 'delete', async (tx, router, at) => {
      const before = owned(await tx.helper(id), routerId, id);
      await tx.deleteHelper(id);
      await this.#audit(tx, principal, { action: 'delete', router, at, before, after: null });
    });
  }

  /** Deletes helpers whose time has come. @returns how many */
  async expire(principal: Principal, limit: number): Promise<number> {
    const now = this.#context.now().toISOString();
    const due = await this.#context.store.read.expiredHelpers(now, limit);
    for (const { id, routerId } of due) {
      await this.delete(principal, routerId, id).catch((error) => {
        if (!(error instanceof NotFound)) throw error;
      });
    }
    return due.length;
  }

  /** One change of a router's helpers: authorised, with the router's revision raised and its host told. */
  async #change<T>(
    principal: Principal,
    routerId: RouterId,
    action: Action,
    work: (tx: Writes, router: Router, at: string) => Promise<T>,
  ): Promise<T> {
    const at = this.#context.now().toISOString();
    const result = await this.#context.store.write(async (tx) => {
      const rule = `${action}_router_conntrack_helper`;
      const router = authoriseRouter(principal, await tx.router(routerId), routerId, { write: true, action: rule });
      const value = await work(tx, router, at);
      await tx.bumpRevision(routerId, at);
      await notifyHosts(tx, routerId, [router.host], at);
      return value;
    });
    this.#context.outbox.wake();
    return result;
  }

  #audit(
    tx: Writes,
    principal: Principal,
    change: { action: Action; router: Router; at: string; before: ConntrackHelper | null; after: ConntrackHelper | null },
  ): Promise<void> {
    const { action, router, at, before, after } = change;
    const target = (after ?? before)?.id ?? '';
    return audit(tx, principal, { at, action: `${action}_conntrack_helper`, target, projectId: router.projectId, before, after });
  }

  async #checkQuota(tx: Writes, routerId: RouterId, added: number): Promise<void> {
    const limit = this.#context.quotaPerRouter;
    if (limit < 0 || (await tx.countHelpers(routerId)) + added <= limit) return;
    throw new PinholeError('quota-exceeded', `Quota exceeded: a router has at most ${limit} conntrack helpers.`);
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

  #expiry(value: string | null | undefined): string | null {
    if (value === null || value === undefined) return null;
    const time = Date.parse(value);
    if (Number.isNaN(time) || time <= this.#context.now().getTime()) {
      throw new InvalidInput('expires_at', 'Invalid input for expires_at. It is a time in the future, like 2030-01-31T12:00:00Z.');
    }
    return new Date(time).toISOString();
  }
}

function owned(helper: ConntrackHelper | null, routerId: RouterId, id: string): ConntrackHelper {
  if (helper?.routerId !== routerId) throw new NotFound('helper', id);
  return helper;
}

function duplicate(helper: ConntrackHelper): PinholeError {
  const { routerId, protocol, port, helper: name, scope } = helper;
  const values = { router_id: routerId, protocol, port, helper: name, ...(scope ? { scope: formatScope(scope) } : {}) };
  return new PinholeError('duplicate-helper', 'A duplicate conntrack helper entry with same attributes already exists', {
    details: { values },
  });
}
