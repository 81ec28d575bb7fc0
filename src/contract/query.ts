import { mapped, optional } from './compounds.ts';
import { NAME, PROJECT_ID } from './primitives.ts';
import { record } from './record.ts';
import { text } from './scalars.ts';
import type { Of } from './shape.ts';

/** Parameters of paths and queries. They always arrive as text. */

/** Any text is accepted: a text that is not an id finds nothing. */
const ANY_ID = text({ max: 256, what: 'an id' });
export const ROUTER_PARAMS = record({ id: ANY_ID });
export const HELPER_PARAMS = record({ id: ANY_ID, helper: ANY_ID });
export const TOKEN_PARAMS = record({ id: ANY_ID });
export const PROJECT_PARAMS = record({ id: PROJECT_ID });

const WHOLE_NUMBER = mapped(text({ max: 15, pattern: /^\d{1,15}$/, what: 'a whole number' }), Number, String);
const WORD = text({ max: 255, what: 'a word' });

export const ROUTER_QUERY = record({ find: optional(NAME) });

export const AUDIT_QUERY = record({
  chain: optional(WORD),
  after: optional(WHOLE_NUMBER),
  before: optional(WHOLE_NUMBER),
  limit: optional(WHOLE_NUMBER),
  action: optional(WORD),
  target: optional(WORD),
  projectId: optional(PROJECT_ID),
});
/** The parameters of a request for audit entries; see `AuditFilter` of the store. */
export type AuditQuery = Of<typeof AUDIT_QUERY>;

/** The number of an event, or empty: a browser that has not received one sends an empty `Last-Event-ID`. */
export const EVENT_POSITION = text({ max: 15, pattern: /^\d{0,15}$/, what: 'the number of an event' });
export const EVENT_QUERY = record({ after: optional(EVENT_POSITION) });
