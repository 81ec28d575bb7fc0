import { AGENT, HELD } from './agent.ts';
import { documented, nullable } from './compounds.ts';
import { COUNT, HOST_NAME, TIME } from './primitives.ts';
import { record } from './record.ts';
import { oneOf, text } from './scalars.ts';
import type { Of } from './shape.ts';

const STATE = oneOf('alive', 'silent', 'unknown');
const VERSION = text({ max: 128, what: 'a version' });
const { interval, state, verifiedAt, boundSeconds, kernel } = AGENT.fields;

export const HOST = record({
  host: HOST_NAME,
  state: documented(STATE, 'silent: its agent missed three heartbeats; unknown: routers name it, and no agent has reported from there'),
  seenAt: documented(nullable(TIME), 'the last heartbeat; null if there never was one'),
  startedAt: documented(nullable(TIME), 'the start of its agent'),
  interval: documented(nullable(interval), 'seconds between two heartbeats'),
  version: documented(nullable(VERSION), 'of its agent'),
  kernelRelease: documented(nullable(VERSION), 'as uname -r prints it'),
  routers: documented(COUNT, 'routers that name this host'),
  kernel,
  verifiedAt,
  boundSeconds,
  held: documented(nullable(HELD), 'a pull that waits for an operator; null for none'),
  agent: documented(nullable(state), "the agent's description of itself, for people"),
});
/** A host: the machine of one agent, as routers name it. */
export type Host = Of<typeof HOST>;
export type HostState = Host['state'];
