import { HEARTBEAT, HELD } from '../contract/agent.ts';
import { documented, items, list, mapped, nullable, optional, withDefault } from '../contract/compounds.ts';
import { DESIRED_ROUTER } from '../contract/desired-router.ts';
import { DIAGNOSES } from '../contract/diagnosis.ts';
import { EXPECTATION, EXPECTATION_CHANGE, MAX_EXPECTATIONS } from '../contract/expectation.ts';
import { LIVE_PLAN } from '../contract/plan.ts';
import { ADDRESS, COUNT, EPOCH, HELPER_REF, HOST_NAME, INSTALLATION, ROUTER_REF, SHA256, TIME } from '../contract/primitives.ts';
import { record } from '../contract/record.ts';
import { BOOLEAN, integer, literal, oneOf, text } from '../contract/scalars.ts';
import type { Of, Shape } from '../contract/shape.ts';
import { ROUTER_REPORT } from '../contract/status.ts';
import { MAX_WATCHED } from '../model/watched.ts';
import type { Message } from './message.ts';
import { METHODS } from './topics.ts';

/** Every message of Pinhole's own between servers and agents. Hints and Neutron's pulls have Neutron's form: `hint.ts`, `neutron.ts`. */

/** The answer of a method that returns nothing. */
const NOTHING: Shape<null> = literal(null);

/**
 * Versions of the form of a pull. A request of 2.1 is answered with the server's installation and position too. Agents of the version
 * before send 2.0, and servers of that version refuse 2.1.
 */
const PULL_VERSION = oneOf('2.1', '2.0');
export type PullVersion = Of<typeof PULL_VERSION>;
/** Maximum number of routers in one request by ids, and in one page of an answer about all routers. */
export const MAX_PULLED_IDS = 10_000;
export const MAX_PULLED_ROUTERS = 10_000;
/** A marker or id in a request. A router with this id need not exist. */
const POSITION = text({ max: 64, what: 'the id of a router' });

const PULL_WIRE = record({
  resourceType: literal('PinholeRouter'),
  version: PULL_VERSION,
  filterKwargs: record(
    {
      host: HOST_NAME,
      ids: nullable(list(POSITION, MAX_PULLED_IDS)),
      marker: nullable(POSITION),
      known: nullable(record({ epoch: EPOCH, digest: SHA256 })),
    },
    { ids: 'id' },
  ),
});

/**
 * A request for the desired routers of a host: those with the named ids, or all of them page by page. `known` is the agent's state, so
 * that an answer can be `unchanged`.
 */
export type PullRequest = Of<typeof PULL_WIRE>['filterKwargs'] & { readonly version: PullVersion };

/** An agent pulls its host's routers from a server. */
export const PULL = message(
  METHODS.bulkPull,
  // In the form of neutron-server's bulk_pull (neutron/api/rpc/handlers/resources_rpc.py), so that one agent serves either server.
  mapped<Of<typeof PULL_WIRE>, PullRequest>(
    PULL_WIRE,
    ({ filterKwargs, version }) => ({ ...filterKwargs, version }),
    ({ version, ...filterKwargs }) => ({ resourceType: 'PinholeRouter', version, filterKwargs }),
  ),
  record({
    installation: optional(INSTALLATION),
    epoch: EPOCH,
    /** Number of the newest event in the database when the answer was made: it rises with every change. */
    position: optional(COUNT),
    routers: items(DESIRED_ROUTER, MAX_PULLED_ROUTERS, 'id'),
    /** The id after which the next page begins; null on the last page. */
    marker: nullable(POSITION),
    /** True if the agent's state is current. */
    unchanged: withDefault(BOOLEAN, false),
  }),
);
/** One page of desired routers. A router that cannot be read is an item of its own and does not affect the others. */
export type Pulled = Of<typeof PULL.answer>;

/** Maximum number of routers in one report. */
export const MAX_REPORTS = 1_000;
/** An agent reports the status of its routers to a server. */
export const REPORT_STATUS = message(
  METHODS.reportStatus,
  // `at`: when the agent sends it, by its own clock, which the times in the reports are of. Agents of older versions do not say.
  record({ host: HOST_NAME, at: nullable(TIME), reports: items(ROUTER_REPORT, MAX_REPORTS, 'router_id') }),
  NOTHING,
);

/** An agent's heartbeat. */
export const REPORT_STATE = message(METHODS.reportState, record({ agentState: HEARTBEAT }), NOTHING);

/** A server asks an agent for the expectations of one router. */
export const LIST_EXPECTATIONS = message(METHODS.expectations, record({ routerId: ROUTER_REF }), list(EXPECTATION, MAX_EXPECTATIONS));

/** The topic of one server. */
const SERVER_TOPIC = text({ max: 64, pattern: /^pinhole-server\.[0-9a-f-]{36}$/, what: 'the topic of a server' });
/** A server asks an agent to send changes of expectations in these routers, or in all, to `topic` for `seconds`. */
export const WATCH_EXPECTATIONS = message(
  METHODS.watchExpectations,
  record({
    topic: SERVER_TOPIC,
    seconds: integer(1, 600),
    routers: documented(nullable(list(ROUTER_REF, MAX_WATCHED)), 'null, or left out by an older server: all'),
  }),
  NOTHING,
);

/** An agent tells the server that watches about one change of an expectation. */
export const TELL_EXPECTATION = message(METHODS.expectation, EXPECTATION_CHANGE, NOTHING);

/** A server asks an agent what a sync of a router would change. */
export const PLAN = message(METHODS.plan, record({ router: DESIRED_ROUTER }), LIVE_PLAN);

/** A server asks an agent why helpers of a router may not work. `from` and `to`: the client and the server of the connections. */
export const DIAGNOSE = message(
  METHODS.diagnose,
  record({ router: DESIRED_ROUTER, from: nullable(ADDRESS), to: nullable(ADDRESS) }),
  DIAGNOSES,
);

export type DiagnosisRequest = Of<typeof DIAGNOSE.request>;

/** An operator confirms, through a server, the removal that an agent holds. The answer is what it held. */
export const CONFIRM = message(METHODS.confirm, record({ id: HELD.fields.id }), HELD);

/** A server asks an agent to assign a helper to existing connections. The answer is their number. */
export const REAPPLY = message(
  METHODS.reapply,
  record({ router: DESIRED_ROUTER, helperId: HELPER_REF }),
  record({ connections: integer(0, 100_000_000) }),
);

function message<Q, A>(method: string, request: Shape<Q>, answer: Shape<A>): Message<Q, A> {
  return { method, request, answer };
}
