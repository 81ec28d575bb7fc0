import { ROLE_COVERS, type Role } from '../contract/token.ts';
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

/**
 * Each role with the roles that it implies, as Keystone's default roles do. A viewer is no reader: an operator's rules for readers of
 * a project say nothing about all projects.
 */
const IMPLIED: Readonly<Record<Role, readonly string[]>> = {
  admin: ['admin', 'member', 'reader'],
  member: ['member', 'reader'],
  reader: ['reader'],
  viewer: ['viewer'],
  auditor: ['auditor', 'viewer'],
};

/** An authenticated name with its project and, with Keystone, the user's id. */
export interface Identified {
  readonly name: string;
  readonly projectId: string | null;
  readonly userId?: string | null;
  /** Whether the roles are for everything, and not for a project: Keystone's system scope. */
  readonly isForAll?: boolean;
}

/** Returns whose shares a principal uses: its project's, or its own where it has none. */
export function ownerOf({ projectId, name }: Pick<Principal, 'projectId' | 'name'>): string {
  return projectId ?? name;
}

/** Returns a principal with exactly these roles. */
export function principalOf(who: Identified, roles: readonly string[], requestId: string): Principal {
  const { name, projectId, userId = null, isForAll = false } = who;
  const scope = isForAll ? 'all' : null;
  const attributes = { project_id: projectId, tenant_id: projectId, user_id: userId, system_scope: scope };
  return { name, projectId, requestId, roles, attributes };
}

/** Returns a principal with a role and the roles that it implies. */
export function withRole(who: Identified, role: Role, requestId: string): Principal {
  return principalOf({ ...who, isForAll: ROLE_COVERS[role] === 'all-projects' }, IMPLIED[role], requestId);
}

/**
 * Returns a principal with those rights of a Keystone token of system scope that only read: its `reader` is Pinhole's viewer, and its
 * `auditor`, where a cloud has that role, Pinhole's auditor. Its `admin` changes nothing, as with Neutron.
 */
export function ofSystem(who: Identified, roles: readonly string[], requestId: string): Principal {
  const has = (role: string) => roles.some((one) => one.toLowerCase() === role);
  const implied = has('auditor') ? IMPLIED.auditor : has('reader') ? IMPLIED.viewer : [];
  return principalOf({ ...who, isForAll: true }, implied, requestId);
}

/** Returns the admin principal under which Pinhole records its own actions, as `pinhole:NAME`. */
export function ownPrincipal(name: string): Principal {
  return withRole({ name: `pinhole:${name}`, projectId: null }, 'admin', name);
}
