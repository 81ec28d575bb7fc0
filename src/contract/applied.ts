import { documented, list, nullable, optional, withDefault } from './compounds.ts';
import { DECLARED_HELPER, HELPER_WARNING, MAX_WARNINGS } from './helper.ts';
import { NETNS } from './netns.ts';
import { HELPER_ID, NAME, ROUTER_ID } from './primitives.ts';
import { record } from './record.ts';
import { oneOf, text } from './scalars.ts';
import type { Of } from './shape.ts';

/** Maximum number of changes that one file makes: all of them are one transaction, during which no other change is made. */
export const MAX_STEPS = 20_000;

const FIELD = oneOf('name', 'description', 'netns', 'host', 'project', 'confine', 'labels', 'port', 'scope', 'expires_at');
/** The name of a changed field, as files spell it. */
export type ChangedField = Of<typeof FIELD>;

export const APPLIED_STEP = record({
  step: oneOf('create-router', 'update-router', 'delete-router', 'create-helper', 'update-helper', 'delete-helper'),
  router: documented(NAME, "the router's name, or its id if the name is empty"),
  routerId: documented(nullable(ROUTER_ID), 'null in a plan, for a router that does not exist yet'),
  netns: optional(documented(nullable(NETNS), 'the namespace of a router that is created')),
  helperId: documented(nullable(HELPER_ID), 'null for a router, and in a plan for a helper that does not exist yet'),
  helper: optional(documented(DECLARED_HELPER, 'the helper after the change; of a deletion, before it')),
  before: optional(documented(DECLARED_HELPER, 'the helper before an update')),
  changes: documented(list(FIELD, 16), 'the fields that an update changes'),
});
/** One change that a file makes. */
export type AppliedStep = Of<typeof APPLIED_STEP>;

const STEPS = documented(list(APPLIED_STEP, MAX_STEPS), 'empty if nothing differs from the file');

export const APPLIED_WARNING = record({ helperId: HELPER_ID, ...HELPER_WARNING.fields });
/** Why a helper that a file made or changed will not work, or not for all of its connections. */
export type AppliedWarning = Of<typeof APPLIED_WARNING>;

export const APPLIED = record({
  steps: STEPS,
  warnings: documented(
    withDefault(list(APPLIED_WARNING, MAX_STEPS * MAX_WARNINGS), []),
    'why helpers that were made or changed will not work, or not for all of their connections; about the first thousand of them',
  ),
});
/** What `POST /v1/apply` did. */
export type Applied = Of<typeof APPLIED>;

const REFUSAL = record({
  code: text({ max: 64, what: 'the code of an error' }),
  message: text({ max: 4_096, multiline: true, what: 'the message of an error' }),
  field: documented(nullable(text({ max: 1_024, what: 'a path' })), 'where in the file, like routers[2].helpers[0]'),
});

export const MANIFEST_PLAN = record({
  steps: STEPS,
  refusal: documented(nullable(REFUSAL), 'the error with which apply would refuse the file now; null: it would not'),
});
/** What `POST /v1/plan` found: the changes that a file asks for, none of which is made. */
export type ManifestPlan = Of<typeof MANIFEST_PLAN>;
