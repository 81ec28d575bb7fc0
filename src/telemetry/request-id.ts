import { randomUUID } from 'node:crypto';

const FORM = /^req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** OpenStack's form, `req-<uuid>`. A caller's own is kept when it has that form (oslo.middleware does the same). */
export function requestId(given: unknown): string {
  return typeof given === 'string' && FORM.test(given) ? given : `req-${randomUUID()}`;
}
