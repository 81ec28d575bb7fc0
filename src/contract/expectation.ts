import { documented } from './compounds.ts';
import { ADDRESS, KERNEL_TYPE, PORT_OR_NONE, PROTOCOL_NAME, ROUTER_REF, TIME } from './primitives.ts';
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
/** An agent tells no more of one router at a time. */
export const MAX_EXPECTATIONS = 50_000;
/** The kernel's pinhole for a connection that a helper has read of. */
export type Expectation = Of<typeof EXPECTATION>;

const CHANGE = { routerId: ROUTER_REF, change: oneOf('new', 'gone'), expectation: EXPECTATION };

/** As an agent tells it. */
export const EXPECTATION_CHANGE = record(CHANGE);
export type ExpectationChange = Of<typeof EXPECTATION_CHANGE>;

/** As the API streams it. */
export const EXPECTATION_EVENT = record({ at: TIME, ...CHANGE });
export type ExpectationEvent = Of<typeof EXPECTATION_EVENT>;
