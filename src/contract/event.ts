import { documented } from './compounds.ts';
import { COUNT, PROJECT_ID, REQUEST_ID, ROUTER_REF, TIME } from './primitives.ts';
import { record } from './record.ts';
import { json, oneOf } from './scalars.ts';
import type { Of } from './shape.ts';

const EVENT_KIND = oneOf('change', 'status', 'drift');
export type EventKind = Of<typeof EVENT_KIND>;

const FIELDS = {
  at: TIME,
  kind: EVENT_KIND,
  projectId: documented(PROJECT_ID, 'readers of this project see it'),
  routerId: ROUTER_REF,
  requestId: documented(REQUEST_ID, 'the request that led to it; empty where there was none'),
  data: documented(json(4 * 1024 * 1024), 'for change: the audit action and what is there now; for status and drift: what the agent said'),
};
const NEW_EVENT = record(FIELDS);
export type NewEvent = Of<typeof NEW_EVENT>;

/** Numbers rise in the order of commits, over all servers, without holes: a reader of all up to N has missed nothing below. */
export const EVENT = record({ seq: COUNT, ...FIELDS });
export type StoredEvent = Of<typeof EVENT>;
