import type { Router } from '../contract/router.ts';
import { NotFound } from '../model/errors.ts';
import type { RouterFilter } from '../store/interface.ts';
import { type Policy, type RuleName, routerTarget } from './policy/policy.ts';
import type { Principal } from './principal.ts';

/**
 * A router that the principal may not see is not found; one that it may only see is denied for the rest.
 * @throws NotFound, Denied
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
 * Narrows what is read to what the principal may see; what is read is checked one by one all the same. Only somebody whom the
 * rules let see a router of no project, nor of its own, reads them all.
 */
export function visible(policy: Policy, principal: Principal): Pick<RouterFilter, 'projectId'> {
  const seesAll = policy.allows(principal, 'get_router', routerTarget({ projectId: NOBODYS }));
  return seesAll ? {} : { projectId: principal.projectId ?? NOBODYS };
}

/** No project has this id: it is longer than any may be. */
const NOBODYS = '#'.repeat(256);
