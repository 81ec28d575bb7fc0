import type { QuotaChange, QuotaView } from '../contract/quota.ts';
import { PinholeError } from '../model/errors.ts';
import type { ProjectUsage, Writes } from '../store/interface.ts';
import { audit, type Context } from './context.ts';
import { routerTarget } from './policy/policy.ts';
import type { Principal } from './principal.ts';

/** Use cases of quotas: how many routers and helpers a project may have. */
export class ProjectQuotas {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Returns a project's usage and limits; zeros for an unknown project. @throws Denied */
  async get(principal: Principal, projectId: string): Promise<QuotaView> {
    this.#context.policy().enforce(principal, 'get_quota', routerTarget({ projectId }));
    return this.#view(await this.#context.store.read.usage(projectId));
  }

  /**
   * Sets a project's limits. Null restores the configured limit, undefined leaves a limit as it is.
   * @returns usage and limits after the change
   * @throws Denied
   */
  async set(principal: Principal, projectId: string, limits: QuotaChange): Promise<QuotaView> {
    this.#context.policy().enforce(principal, 'update_quota', routerTarget({ projectId }));
    const at = this.#context.clock.now().toISOString();
    const usage = await this.#context.store.write(async (tx) => {
      const { routerLimit, helperLimit } = await tx.usage(projectId);
      const before = { routers: routerLimit, helpers: helperLimit };
      const { routers = routerLimit, helpers = helperLimit } = limits;
      await tx.setLimits(projectId, { routerLimit: routers, helperLimit: helpers });
      audit(tx, principal, { at, action: 'update_quota', target: projectId, projectId, before, after: { routers, helpers } });
      return tx.usage(projectId);
    });
    return this.#view(usage);
  }

  #view(usage: ProjectUsage): QuotaView {
    const limits = limitsOf(this.#context, usage);
    return {
      projectId: usage.projectId,
      routers: { used: usage.routers, limit: limits.routers },
      helpers: { used: usage.helpers, limit: limits.helpers },
    };
  }
}

/**
 * Adds to a project's counts and enforces its limits. The counts are exact with any number of concurrent writers, because the
 * project's row stays locked until the commit. Giving back never fails, even above the limit.
 * @throws PinholeError `quota-exceeded`
 */
export async function chargeProject(
  context: Context,
  tx: Writes,
  projectId: string,
  gained: { routers?: number; helpers?: number },
): Promise<void> {
  const usage = await tx.countUsage(projectId, gained);
  const limits = limitsOf(context, usage);
  for (const what of ['routers', 'helpers'] as const) {
    const limit = limits[what];
    if ((gained[what] ?? 0) > 0 && limit >= 0 && usage[what] > limit) throw exceeded(`a project has at most ${limit} ${NOUNS[what]}`);
  }
}

/** Returns the error `quota-exceeded`, in the words of Neutron's OverQuota. @param what the limit, as a clause */
export function exceeded(what: string): PinholeError {
  return new PinholeError('quota-exceeded', `Quota exceeded: ${what}.`);
}

const NOUNS = { routers: 'routers', helpers: 'conntrack helpers' } as const;

function limitsOf({ quotas }: Context, { routerLimit, helperLimit }: ProjectUsage): { routers: number; helpers: number } {
  return { routers: routerLimit ?? quotas.routersPerProject, helpers: helperLimit ?? quotas.helpersPerProject };
}
