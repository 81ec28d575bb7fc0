import type { Router } from '../contract/router.ts';
import { NotFound } from '../model/errors.ts';
import type { RouterFilter } from '../store/interface.ts';
import { type Policy, type RuleName, routerTarget } from './policy/policy.ts';
import type { Principal } from './principal.ts';

/**
 * Returns the router if the rule allows the access. A router that the principal may not see counts as not found.
 * @throws NotFound, also for null
 * @throws Denied if the principal may see the router but the rule refuses the access
 */
export function authoriseRouter(
  policy: Policy,
  principal: Principal,
  router: Router | null,
  access: { id: string; rule: RuleName },
): Router {
  const { id, rule } = access;
  if (!router || !policy.allows(principal, 'get_router', routerTarget(router))) throw new NotFound('router', id);
  policy.enforce(principal, rule, routerTarget(router));
  return router;
}

/**
 * Returns a filter that narrows a query to what the principal can see at most: its own project's routers, or all of them if the
 * rules let it see a router of a project that cannot exist. The caller still checks each router.
 */
export function visible(policy: Policy, principal: Principal): Pick<RouterFilter, 'projectId'> {
  const seesAll = policy.allows(principal, 'get_router', routerTarget({ projectId: NO_PROJECT }));
  return seesAll ? {} : { projectId: principal.projectId ?? NO_PROJECT };
}

/** No project has this id: it is longer than an id may be. */
const NO_PROJECT = '#'.repeat(256);
