import { HEARTBEAT } from '../contract/agent.ts';
import { items, list, mapped, nullable, withDefault } from '../contract/compounds.ts';
import { DESIRED_ROUTER } from '../contract/desired-router.ts';
import { EXPECTATION, EXPECTATION_CHANGE, MAX_EXPECTATIONS } from '../contract/expectation.ts';
import { LIVE_PLAN } from '../contract/plan.ts';
import { EPOCH, HELPER_REF, HOST_NAME, ROUTER_REF, SHA256 } from '../contract/primitives.ts';
import { record } from '../contract/record.ts';
import { BOOLEAN, integer, literal, text } from '../contract/scalars.ts';
import type { Of, Shape } from '../contract/shape.ts';
import { ROUTER_REPORT } from '../contract/status.ts';
import type { Message } from './message.ts';
import { METHODS } from './topics.ts';

/** Every message of Pinhole's own between servers and agents. Hints and Neutron's pulls have Neutron's form: `hint.ts`, `neutron.ts`. */

/** The answer to a request that only wants to be done. */
const NOTHING: Shape<null> = literal(null);

/** Version of the form of a pulled router; a server and an agent of different forms tell each other so. */
const PULL_VERSION = '2.0';
/** Routers in one question about some, and in one page of an answer about all. */
export const MAX_PULLED_IDS = 10_000;
export const MAX_PULLED_ROUTERS = 10_000;
/** A marker or an id that a question names: it need not be one of a router that there is. */
const POSITION = text({ max: 64, what: 'the id of a router' });

const PULL_WIRE = record({
  resourceType: literal('PinholeRouter'),
  version: literal(PULL_VERSION),
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

/** What a host is to have: the routers named, or all of them page by page; `known` is what the agent compares with. */
export type PullRequest = Of<typeof PULL_WIRE>['filterKwargs'];

export const PULL = message(
  METHODS.bulkPull,
  // In the form of neutron-server's bulk_pull (neutron/api/rpc/handlers/resources_rpc.py), so that one agent serves either server.
  mapped<Of<typeof PULL_WIRE>, PullRequest>(
    PULL_WIRE,
    ({ filterKwargs }) => filterKwargs,
    (filterKwargs) => ({ resourceType: 'PinholeRouter', version: PULL_VERSION, filterKwargs }),
  ),
  record({
    epoch: EPOCH,
    routers: items(DESIRED_ROUTER, MAX_PULLED_ROUTERS, 'id'),
    /** Where the next page begins; null: this is the last. */
    marker: nullable(POSITION),
    /** The agent has it all: what it compared with is what there is. */
    unchanged: withDefault(BOOLEAN, false),
  }),
);
export type Pulled = Of<typeof PULL.answer>;

/** Routers in one report. */
export const MAX_REPORTS = 1_000;
export const REPORT_STATUS = message(
  METHODS.reportStatus,
  record({ host: HOST_NAME, reports: items(ROUTER_REPORT, MAX_REPORTS, 'router_id') }),
  NOTHING,
);

export const REPORT_STATE = message(METHODS.reportState, record({ agentState: HEARTBEAT }), NOTHING);

export const LIST_EXPECTATIONS = message(METHODS.expectations, record({ routerId: ROUTER_REF }), list(EXPECTATION, MAX_EXPECTATIONS));

/** Where one server takes what it asked for. */
const SERVER_TOPIC = text({ max: 64, pattern: /^pinhole-server\.[0-9a-f-]{36}$/, what: 'the topic of a server' });
export const WATCH_EXPECTATIONS = message(METHODS.watchExpectations, record({ topic: SERVER_TOPIC, seconds: integer(1, 600) }), NOTHING);

export const TELL_EXPECTATION = message(METHODS.expectation, EXPECTATION_CHANGE, NOTHING);

export const PLAN = message(METHODS.plan, record({ router: DESIRED_ROUTER }), LIVE_PLAN);

export const REAPPLY = message(
  METHODS.reapply,
  record({ router: DESIRED_ROUTER, helperId: HELPER_REF }),
  record({ connections: integer(0, 100_000_000) }),
);

function message<Q, A>(method: string, request: Shape<Q>, answer: Shape<A>): Message<Q, A> {
  return { method, request, answer };
}
