import { documented, nullable } from './compounds.ts';
import { COUNT, PROJECT_ID, REQUEST_ID, ROUTER_REF, TIME } from './primitives.ts';
import { record } from './record.ts';
import { json, oneOf } from './scalars.ts';
import type { Of } from './shape.ts';

const EVENT_KIND = oneOf('change', 'status', 'drift', 'host');
/**
 * change: of a router or helper; status: a new report of an agent; drift: an agent repaired another program's change; host: of a host as a
 * whole, which only those see who may see hosts.
 */
export type EventKind = Of<typeof EVENT_KIND>;

const FIELDS = {
  at: TIME,
  kind: EVENT_KIND,
  projectId: documented(PROJECT_ID, 'readers of this project see it'),
  routerId: documented(nullable(ROUTER_REF), 'null for an event of a host'),
  requestId: documented(REQUEST_ID, 'the request that led to it; empty where there was none'),
  data: documented(
    json(4 * 1024 * 1024),
    'for change: the audit action and what is there now; for status and drift: what the agent said; for host: `host`, `became`, `reason`',
  ),
};
const NEW_EVENT = record(FIELDS);
/** An event before it has a number. */
export type NewEvent = Of<typeof NEW_EVENT>;

/**
 * Numbers rise in the order of commits, over all servers, without gaps: a client that has read all events up to N has missed none
 * below.
 */
export const EVENT = record({ seq: COUNT, ...FIELDS });
export type StoredEvent = Of<typeof EVENT>;
