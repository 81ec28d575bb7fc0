import { randomUUID } from 'node:crypto';
import { UUID_PATTERN } from '../contract/primitives.ts';

const PREFIX = 'req-';

/**
 * The id of a request, in OpenStack's form `req-<uuid>`.
 * @param given the client's own id; kept if it has that form, as oslo.middleware does, otherwise replaced by a new one
 */
export function requestId(given: unknown): string {
  const isKept = typeof given === 'string' && given.startsWith(PREFIX) && UUID_PATTERN.test(given.slice(PREFIX.length));
  return isKept ? given : `${PREFIX}${randomUUID()}`;
}
