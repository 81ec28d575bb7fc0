import { randomBytes } from 'node:crypto';

/** A new bearer token, `ph_<id>_<secret>`: 64 bits that find it, 256 that prove it. */
export function newTokenText(): string {
  return `ph_${randomBytes(8).toString('hex')}_${randomBytes(32).toString('base64url')}`;
}
