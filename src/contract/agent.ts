import { documented, list, nullable } from './compounds.ts';
import { COUNT, HOST_NAME, REASON, TIME } from './primitives.ts';
import { record } from './record.ts';
import { BOOLEAN, integer, json, text } from './scalars.ts';
import type { Of } from './shape.ts';

/** An agent's description of itself. It is for people, so that its parts may change. */
const STATE = json(64 * 1024);
const INTERVAL = documented(integer(1, 86_400), 'seconds between two heartbeats');

export const KERNEL_STATE = record({
  up: documented(BOOLEAN, 'whether it answers'),
  since: documented(TIME, 'since when that is so'),
  reason: documented(REASON, 'what it does instead of answering, like "does not answer"; empty while it answers'),
});
/** The kernel process of a host, as its agent sees it. */
export type KernelState = Of<typeof KERNEL_STATE>;

export const HELD = record({
  id: documented(text({ max: 64, what: 'the id of a removal' }), 'names what the pull would remove'),
  reason: documented(REASON, 'why it waits, and what an operator can do'),
  removed: documented(COUNT, 'helpers that the pull would remove'),
  live: documented(COUNT, 'helpers that are live'),
});
/** A pull that an agent does not carry out until an operator confirms it. */
export type Held = Of<typeof HELD>;

/** What an agent knows of its host's kernel. Times are by the agent's clock. */
const VERIFICATION = record({
  at: documented(TIME, 'when this was written'),
  verifiedAt: documented(nullable(TIME), 'since when each helper was verified that is ACTIVE in a report that the server answered'),
  boundSeconds: documented(integer(1, 86_400), 'after which a helper that was not verified again is STALE'),
  kernel: KERNEL_STATE,
});
export type Verification = Of<typeof VERIFICATION>;

/** What an agent sends at intervals. Agents of older versions do not say what they verified. */
export const HEARTBEAT = record({
  host: HOST_NAME,
  startedAt: TIME,
  interval: INTERVAL,
  configurations: STATE,
  verification: nullable(VERIFICATION),
});
export type Heartbeat = Of<typeof HEARTBEAT>;

export const AGENT = record({
  host: HOST_NAME,
  alive: BOOLEAN,
  startedAt: TIME,
  seenAt: TIME,
  interval: INTERVAL,
  state: STATE,
  verifiedAt: documented(nullable(TIME), 'since when each helper was verified that this agent reports as ACTIVE; null if it has not said'),
  boundSeconds: documented(nullable(integer(1, 86_400)), 'seconds after which a helper that was not verified again is STALE'),
  kernel: documented(nullable(KERNEL_STATE), 'the kernel process of this host; null if the agent has not said'),
});
/** An agent as the API shows it. `alive` is false after three missed heartbeats. */
export type AgentView = Of<typeof AGENT>;

const KEY = text({ max: 64, what: 'a helper, protocol and family like ftp/tcp/ipv4' });
export const CAPABILITIES = record({
  kernelRelease: text({ max: 128, what: "a kernel's release, as uname -r prints it" }),
  helpers: documented(list(KEY, 256), 'what this kernel can assign: type, protocol and family of each'),
  missingNat: documented(list(KEY, 64), 'NAT modules that are neither loaded nor built in: behind NAT these helpers do not work'),
  conntrackEvents: documented(BOOLEAN, 'net.netfilter.nf_conntrack_events: without it expectations cannot be watched'),
});
/** What a kernel can do. The items of `helpers` are keys of `capabilityKey`. */
export type Capabilities = Of<typeof CAPABILITIES>;
