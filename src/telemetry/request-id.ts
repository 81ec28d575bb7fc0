import { randomUUID } from 'node:crypto';

const FORM = /^req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * The id of a request, in OpenStack's form `req-<uuid>`.
 * @param given the client's own id; kept if it has that form, as oslo.middleware does, otherwise replaced by a new one
 */
export function requestId(given: unknown): string {
  return typeof given === 'string' && FORM.test(given) ? given : `req-${randomUUID()}`;
}
