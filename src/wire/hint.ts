import { UUID } from '../contract/primitives.ts';
import { PinholeError } from '../model/errors.ts';
import { fieldOf } from './field.ts';
import type { Arguments } from './message.ts';
import { METHODS } from './topics.ts';

/**
 * Hints, in the form of Neutron's push (neutron/api/rpc/handlers/resources_rpc.py): Pinhole's server sends them, and neutron-server
 * does. Receivers use the ids of routers and nothing else, so a hint can cause a pull and no more.
 */

/** Number of routers in a hint up to which pulls of single routers cost less than a full pull. */
const MAX_HINTS = 10_000;

/** Returns the arguments of a hint that these routers have changed. Duplicate ids are sent once. */
export function hintOf(routerIds: readonly string[]): Arguments {
  const resources = [...new Set(routerIds)].map((id) => ({
    'versioned_object.name': 'ConntrackHelper',
    'versioned_object.data': { router_id: id },
  }));
  return { resource_list: resources, event_type: 'updated' };
}

/**
 * Returns the ids of the routers that a hint names. Entries without an id are ignored.
 * @returns null for a hint with too many entries, after which the receiver pulls all routers
 * @throws PinholeError `invalid-message` for arguments without a list
 */
export function hintedRouters(args: Arguments): string[] | null {
  const list = args['resource_list'];
  if (!Array.isArray(list)) throw new PinholeError('invalid-message', 'push: no resource_list', { details: { field: 'resource_list' } });
  return list.length > MAX_HINTS ? null : list.flatMap((resource) => routerOf(resource) ?? []);
}

/**
 * Returns the ids that a received message names, as {@link hintedRouters} does. @throws PinholeError `invalid-message` if it is
 * not a push
 */
export function pushedRouters(method: string, args: Arguments): string[] | null {
  if (method !== METHODS.push) throw new PinholeError('invalid-message', `unknown hint '${method.slice(0, 64)}'`);
  return hintedRouters(args);
}

function routerOf(resource: unknown): string | null {
  const id = fieldOf(fieldOf(resource, 'versioned_object.data'), 'router_id');
  try {
    return UUID.read(id);
  } catch {
    return null;
  }
}
