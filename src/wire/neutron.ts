import type { Refused } from '../contract/desired-router.ts';
import type { DesiredHelper } from '../contract/helper.ts';
import { asPinholeError, Mismatch } from '../contract/mismatch.ts';
import { HELPER_ID, HELPER_NAME, MAX_HELPERS_PER_ROUTER, PORT, PROTOCOL_NAME, UUID } from '../contract/primitives.ts';
import { record } from '../contract/record.ts';
import { errorToData } from '../model/errors.ts';
import { fieldOf } from './field.ts';
import type { Arguments } from './message.ts';

/**
 * An agent's messages to neutron-server, and the answers (neutron/objects/conntrack_helper.py, version 1.0;
 * neutron/api/rpc/handlers/resources_rpc.py; neutron_lib's PluginReportStateAPI).
 */

/** Maximum number of routers in one request. Each has a few helpers, and the answer is one message. */
export const MAX_ASKED_ROUTERS = 200;

/** Returns the arguments of `bulk_pull` for the helpers of these routers. */
export function helpersQuestion(routerIds: readonly string[]): Arguments {
  return { resource_type: 'ConntrackHelper', version: '1.0', filter_kwargs: { router_id: routerIds } };
}

const HELPER = record({ id: HELPER_ID, routerId: UUID, protocol: PROTOCOL_NAME, port: PORT, helper: HELPER_NAME });

/**
 * One object of an answer: a helper of a router, or the reason why it cannot be read, with its router's id as far as that can be
 * read.
 */
export type NeutronHelper =
  | { readonly routerId: string; readonly helper: DesiredHelper }
  | { readonly routerId: string | null; readonly refused: Refused };

/** Reads an answer item by item. @throws PinholeError `invalid-message` for an answer that is not a list, or a list that is too long */
export function readHelpers(answer: unknown): NeutronHelper[] {
  const max = MAX_ASKED_ROUTERS * MAX_HELPERS_PER_ROUTER;
  if (!Array.isArray(answer) || answer.length > max)
    throw asPinholeError(new Mismatch(`a list of at most ${max} objects`), 'bulk_pull', 'message');
  return answer.map((object: unknown, index) => readObject(object, `bulk_pull[${index}]`));
}

function readObject(object: unknown, path: string): NeutronHelper {
  const data = fieldOf(object, 'versioned_object.data');
  try {
    const { routerId, ...helper } = HELPER.readKnown(data);
    return { routerId, helper: { ...helper, scope: null, expiresAt: null } };
  } catch (error) {
    const [id, routerId] = [fieldOf(data, 'id'), fieldOf(data, 'router_id')];
    const { message } = errorToData(asPinholeError(error, path, 'message'));
    return { routerId: typeof routerId === 'string' ? routerId : null, refused: { id: typeof id === 'string' ? id : '', reason: message } };
  }
}

/** Returns the arguments of `report_state`. `openstack network agent list` then shows the agent. */
export function heartbeatReport(state: Arguments, now: Date): Arguments {
  return { agent_state: { agent_state: state }, time: now.toISOString().replace('Z', '') };
}
