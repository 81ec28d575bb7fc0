import { randomUUID } from 'node:crypto';
import { UUID_PATTERN } from '../contract/primitives.ts';

const PREFIX = 'req-';

/** OpenStack's form, `req-<uuid>`. A caller's own is kept when it has that form (oslo.middleware does the same). */
export function requestId(given: unknown): string {
  const isKept = typeof given === 'string' && given.startsWith(PREFIX) && UUID_PATTERN.test(given.slice(PREFIX.length));
  return isKept ? given : `${PREFIX}${randomUUID()}`;
}
