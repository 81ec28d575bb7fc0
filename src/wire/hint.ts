import { UUID } from '../contract/primitives.ts';
import { PinholeError } from '../model/errors.ts';
import type { Arguments } from './message.ts';
import { METHODS } from './topics.ts';

/**
 * Hints, in the form of Neutron's push (neutron/api/rpc/handlers/resources_rpc.py): Pinhole's server sends them, and neutron-server
 * does. Receivers use the ids of routers and nothing else, so a hint can cause a pull and no more.
 */

/** A longer list costs more than a full pull. */
const MAX_HINTS = 10_000;

/** Something of these routers changed. */
export function hintOf(routerIds: readonly string[]): Arguments {
  const resources = [...new Set(routerIds)].map((id) => ({
    'versioned_object.name': 'ConntrackHelper',
    'versioned_object.data': { router_id: id },
  }));
  return { resource_list: resources, event_type: 'updated' };
}

/** Ids of a hint's routers; an entry without one is passed over. @returns null for a hint that is too large: then all is pulled */
export function hintedRouters(args: Arguments): string[] | null {
  const list = args['resource_list'];
  if (!Array.isArray(list)) throw new PinholeError('invalid-message', 'push: no resource_list', { details: { field: 'resource_list' } });
  return list.length > MAX_HINTS ? null : list.flatMap((resource) => routerOf(resource) ?? []);
}

/** As {@link hintedRouters}, of a message as it came. @throws PinholeError `invalid-message` for one that is no push */
export function pushedRouters(method: string, args: Arguments): string[] | null {
  if (method !== METHODS.push) throw new PinholeError('invalid-message', `unknown hint '${method.slice(0, 64)}'`);
  return hintedRouters(args);
}

function routerOf(resource: unknown): string | null {
  const id = field(field(resource, 'versioned_object.data'), 'router_id');
  try {
    return UUID.read(id);
  } catch {
    return null;
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Arguments)[name] : undefined;
}
