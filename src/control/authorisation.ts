import { Denied, NotFound } from '../model/errors.ts';
import type { Router } from '../model/router.ts';

export type Role = 'admin' | 'member' | 'reader';

/** Who asks, as the identity layer found. `projectId` is null for an admin of everything only. */
export interface Principal {
  readonly name: string;
  readonly role: Role;
  readonly projectId: string | null;
  readonly requestId: string;
}

export function isAdmin(principal: Principal): boolean {
  return principal.role === 'admin';
}

/** @throws Denied naming the action */
export function requireAdmin(principal: Principal, action: string): void {
  if (!isAdmin(principal)) throw new Denied(`rule:${action} is disallowed by policy`);
}

/**
 * A router that is another project's is not found, for whoever may not know that it exists; one's own that one may only
 * read is denied for writing.
 */
export function authoriseRouter(
  principal: Principal,
  router: Router | null,
  id: string,
  access: { write: boolean; action: string },
): Router {
  if (!router || !(isAdmin(principal) || principal.projectId === router.projectId)) throw new NotFound('router', id);
  if (access.write && principal.role === 'reader') throw new Denied(`rule:${access.action} is disallowed by policy`);
  return router;
}

/** The project that a principal's listings are narrowed to; undefined for all. */
export function visibleProject(principal: Principal): { projectId?: string } {
  return isAdmin(principal) ? {} : { projectId: principal.projectId ?? '' };
}
