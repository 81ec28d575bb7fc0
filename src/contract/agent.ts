import { documented, list } from './compounds.ts';
import { HOST_NAME, TIME } from './primitives.ts';
import { record } from './record.ts';
import { BOOLEAN, integer, json, text } from './scalars.ts';
import type { Of } from './shape.ts';

/** An agent's description of itself. It is for people, so that its parts may change. */
const STATE = json(64 * 1024);
const INTERVAL = documented(integer(1, 86_400), 'seconds between two heartbeats');

/** What an agent sends at intervals. */
export const HEARTBEAT = record({ host: HOST_NAME, startedAt: TIME, interval: INTERVAL, configurations: STATE });
export type Heartbeat = Of<typeof HEARTBEAT>;

export const AGENT = record({
  host: HOST_NAME,
  alive: BOOLEAN,
  startedAt: TIME,
  seenAt: TIME,
  interval: INTERVAL,
  state: STATE,
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
