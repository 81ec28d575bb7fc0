import type { Role } from '../contract/token.ts';
import type { Credentials } from './policy/language.ts';

/** Who asks, as the identity layer found. */
export interface Principal extends Credentials {
  /** For the audit: which user or token, never the secret. */
  readonly name: string;
  /** null: of no project (an admin of everything, or a token without a project). */
  readonly projectId: string | null;
  readonly requestId: string;
  /** The same request sent again under this key is answered as before. */
  readonly idempotencyKey?: string | undefined;
}

/** A role with those that it implies (Keystone's implied roles). */
const IMPLIED: Readonly<Record<Role, readonly string[]>> = {
  admin: ['admin', 'member', 'reader'],
  member: ['member', 'reader'],
  reader: ['reader'],
};

export interface Identified {
  readonly name: string;
  readonly projectId: string | null;
  readonly userId?: string | null;
}

export function principalOf(who: Identified, roles: readonly string[], requestId: string): Principal {
  const { name, projectId, userId = null } = who;
  return { name, projectId, requestId, roles, attributes: { project_id: projectId, tenant_id: projectId, user_id: userId } };
}

export function withRole(who: Identified, role: Role, requestId: string): Principal {
  return principalOf(who, IMPLIED[role], requestId);
}

/** Pinhole itself, for what it does by itself. */
export function ownPrincipal(name: string): Principal {
  return withRole({ name: `pinhole:${name}`, projectId: null }, 'admin', name);
}
