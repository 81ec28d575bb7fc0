import { documented, mapped, optional, withDefault } from './compounds.ts';
import { ADDRESS, HOST_NAME, NAME, PROJECT_ID } from './primitives.ts';
import { record } from './record.ts';
import { oneOf, text } from './scalars.ts';
import { SELECTOR } from './selector.ts';
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

const LIMIT = mapped(text({ max: 4, pattern: /^(?:[1-9]\d{0,2}|1000)$/, what: 'a number from 1 to 1000' }), Number, String);
/** One page of routers, ordered by id. Without a limit, the answer has all of them. */
const PAGE_FIELDS = {
  limit: optional(documented(LIMIT, 'at most so many routers, or fewer: `next` says where the next page begins')),
  marker: optional(documented(ANY_ID, '`next` of the page before')),
};

const SELECTED = optional(documented(SELECTOR, 'only routers with these labels'));
export const ROUTER_QUERY = record({ find: optional(NAME), selector: SELECTED, ...PAGE_FIELDS });
export type RouterQuery = Of<typeof ROUTER_QUERY>;
export const STATUS_QUERY = record({ selector: SELECTED, ...PAGE_FIELDS });
export const BULK_QUERY = record({ selector: SELECTOR });
export type BulkQuery = Of<typeof BULK_QUERY>;
export type StatusQuery = Of<typeof STATUS_QUERY>;

/** Parameters arrive as text. */
const YES_OR_NO = mapped(
  oneOf('true', 'false'),
  (word) => word === 'true',
  (yes) => (yes ? 'true' : 'false'),
);
const FORCE = documented(withDefault(YES_OR_NO, false), 'true: also to a host that is silent, or that never reported');
export const CHANGE_QUERY = record({ force: FORCE });
export type ChangeQuery = Of<typeof CHANGE_QUERY>;
export const FORGET_QUERY = record({ force: documented(withDefault(YES_OR_NO, false), 'true: also a host that routers name') });
export type ForgetQuery = Of<typeof FORGET_QUERY>;
export const HOST_PARAMS = record({ host: HOST_NAME });

export const MANIFEST_QUERY = record({
  force: FORCE,
  prune: documented(withDefault(YES_OR_NO, false), 'true: routers and helpers that the file does not name are removed'),
});
export type ManifestQuery = Of<typeof MANIFEST_QUERY>;

export const DIAGNOSIS_QUERY = record({
  from: optional(documented(ADDRESS, 'the client of the connections that are followed; absent: any')),
  to: optional(documented(ADDRESS, 'their server; absent: any')),
});
export type DiagnosisQuery = Of<typeof DIAGNOSIS_QUERY>;

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
