import { randomBytes } from 'node:crypto';
import { documented, nullable, optional, withDefault } from './compounds.ts';
import { DESCRIPTION, PROJECT_ID, TIME } from './primitives.ts';
import { record } from './record.ts';
import { oneOf, text } from './scalars.ts';
import type { Of } from './shape.ts';

export const ROLES = ['admin', 'member', 'reader', 'viewer', 'auditor'] as const;
export const ROLE = oneOf(...ROLES);
export type Role = Of<typeof ROLE>;

/** Whether a token with a role is for one project, for all, or for either: an admin's project is where new routers go. */
export const ROLE_COVERS: Readonly<Record<Role, 'one-project' | 'all-projects' | 'either'>> = {
  admin: 'either',
  member: 'one-project',
  reader: 'one-project',
  viewer: 'all-projects',
  auditor: 'all-projects',
};

const PROJECT = documented(nullable(PROJECT_ID), "the token's project; null: all, for admins, viewers and auditors only");
const EXPIRES = documented(nullable(TIME), 'null: never');

/** The body of a request that creates a token. */
export const TOKEN_CREATE = record({
  role: ROLE,
  projectId: optional(PROJECT),
  description: withDefault(DESCRIPTION, ''),
  expiresAt: optional(EXPIRES),
});
export type TokenInput = Of<typeof TOKEN_CREATE>;

const ID_BYTES = 8;
const SECRET_BYTES = 32;
const TEXT = /^ph_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** Returns a new bearer token, `ph_<id>_<secret>`: 64 random bits to find it, and 256 to prove it. */
export function newTokenText(): string {
  return `ph_${randomBytes(ID_BYTES).toString('hex')}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
}

/** Returns the parts of a token's text; null for text that is not a token. */
export function parseTokenText(text: string): { readonly id: string; readonly secret: string } | null {
  const [, id, secret] = TEXT.exec(text) ?? [];
  return id === undefined || secret === undefined ? null : { id, secret };
}

const SHOWN = {
  id: text({ max: 16, pattern: /^[0-9a-f]{16}$/, what: 'the id of a token' }),
  role: ROLE,
  projectId: PROJECT,
  description: DESCRIPTION,
  createdAt: TIME,
  expiresAt: EXPIRES,
  revokedAt: documented(nullable(TIME), 'null: not revoked'),
};
/** A token, as the API shows it. */
export const TOKEN = record(SHOWN);
export type TokenView = Of<typeof TOKEN>;

/** The answer to the request that creates a token. No other answer contains the token's text. */
export const NEW_TOKEN = record({ ...SHOWN, token: text({ max: 64, pattern: TEXT, what: 'a token' }) });
