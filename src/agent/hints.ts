import { METHODS } from '../bus/topics.ts';
import { PinholeError } from '../model/errors.ts';

const MAX_HINTS = 10_000;
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Router ids of a hint, whatever else it says; each stands alone. @returns null for one that is too large: then all is pulled */
export function hintedRouters(args: unknown): string[] | null {
  const list = (args as { resource_list?: unknown } | null)?.resource_list;
  if (!Array.isArray(list)) throw new PinholeError('invalid-message', 'push: no resource_list', { details: { field: 'resource_list' } });
  if (list.length > MAX_HINTS) return null;
  return list.flatMap((resource) => {
    const id = resource?.['versioned_object.data']?.router_id;
    return typeof id === 'string' && UUID.test(id) ? [id] : [];
  });
}

/** As {@link hintedRouters}, of a message as it came. @throws PinholeError `invalid-message` for one that is no push */
export function pushedRouters(method: string, args: unknown): string[] | null {
  if (method !== METHODS.push) throw new PinholeError('invalid-message', `unknown hint '${method.slice(0, 64)}'`);
  return hintedRouters(args);
}
