import type { Role } from '../contract/token.ts';
import type { Credentials } from './policy/language.ts';

/** The author of a request, as the identity layer found it. */
export interface Principal extends Credentials {
  /** The name in the audit: a user or token, never a secret. */
  readonly name: string;
  /** Null for a principal without a project: an admin's token for all projects, or an unscoped one of Keystone. */
  readonly projectId: string | null;
  readonly requestId: string;
  /** The request's Idempotency-Key. A repetition under the same key gets the same answer. */
  readonly idempotencyKey?: string | undefined;
}

/** Each role with the roles that it implies, as Keystone's default roles do. */
const IMPLIED: Readonly<Record<Role, readonly string[]>> = {
  admin: ['admin', 'member', 'reader'],
  member: ['member', 'reader'],
  reader: ['reader'],
};

/** An authenticated name with its project and, with Keystone, the user's id. */
export interface Identified {
  readonly name: string;
  readonly projectId: string | null;
  readonly userId?: string | null;
}

/** Returns a principal with exactly these roles. */
export function principalOf(who: Identified, roles: readonly string[], requestId: string): Principal {
  const { name, projectId, userId = null } = who;
  return { name, projectId, requestId, roles, attributes: { project_id: projectId, tenant_id: projectId, user_id: userId } };
}

/** Returns a principal with a role and the roles that it implies. */
export function withRole(who: Identified, role: Role, requestId: string): Principal {
  return principalOf(who, IMPLIED[role], requestId);
}

/** Returns the admin principal under which Pinhole records its own actions, as `pinhole:NAME`. */
export function ownPrincipal(name: string): Principal {
  return withRole({ name: `pinhole:${name}`, projectId: null }, 'admin', name);
}
