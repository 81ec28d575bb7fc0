import { documented, withDefault } from './compounds.ts';
import { ADDRESS, COUNT, KERNEL_TYPE, PORT_OR_NONE, PROTOCOL_NAME, ROUTER_REF, TIME } from './primitives.ts';
import { record } from './record.ts';
import { oneOf } from './scalars.ts';
import type { Of } from './shape.ts';

export const EXPECTATION = record({
  helper: KERNEL_TYPE,
  protocol: PROTOCOL_NAME,
  source: ADDRESS,
  destination: ADDRESS,
  port: documented(PORT_OR_NONE, '0 where the announcement named none'),
  master: record({ source: ADDRESS, destination: ADDRESS, port: PORT_OR_NONE }),
});
/** Maximum number of expectations in one answer about one router. */
export const MAX_EXPECTATIONS = 50_000;
/** The kernel's expectation of a connection that a helper has read of. The helper's own connection is its `master`. */
export type Expectation = Of<typeof EXPECTATION>;

const CHANGE = {
  routerId: ROUTER_REF,
  change: oneOf('new', 'gone'),
  expectation: EXPECTATION,
  leftOut: documented(withDefault(COUNT, 0), 'changes in this router that were left out since the last one, because there were too many'),
};

/** A change, as an agent sends it. */
export const EXPECTATION_CHANGE = record(CHANGE);
export type ExpectationChange = Of<typeof EXPECTATION_CHANGE>;

/** A change, as the API streams it. */
export const EXPECTATION_EVENT = record({ at: TIME, ...CHANGE });
export type ExpectationEvent = Of<typeof EXPECTATION_EVENT>;
