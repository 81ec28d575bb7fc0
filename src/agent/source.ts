import type { Handler } from '../bus/interface.ts';
import type { Heartbeat } from '../contract/agent.ts';
import type { DesiredRouter, Refused } from '../contract/desired-router.ts';
import type { ExpectationChange } from '../contract/expectation.ts';
import type { Netns } from '../contract/netns.ts';
import type { RouterReport } from '../contract/status.ts';

/** Where an agent's desired state comes from, and who is told what became of it. */
export interface Source {
  /** Begins to listen; `connected` is called once there is a server, and each time there is one again. */
  start(listener: SourceListener): void;
  /**
   * All routers of this host.
   * @param known what the agent has; null where it wants everything whatever it has
   * @returns null if nothing changed since `known`
   */
  pullAll(known: KnownState | null): Promise<FullPull | null>;
  /** Those of the routers named that are this host's; the others are not, or no more. */
  pull(ids: readonly string[]): Promise<PulledRouters>;
  /** A namespace came or went. @returns the routers to be pulled for that */
  onNamespace(netns: Netns, present: boolean): readonly string[];
  /** Resolves when the server has saved the reports. @throws PinholeError where they have to be sent again */
  reportStatus(reports: readonly RouterReport[]): Promise<void>;
  /** A heartbeat. @throws PinholeError where it did not reach the server */
  reportState(state: OwnState): Promise<void>;
  /** Tells an expectation to the one server that watches. */
  tellExpectation(topic: string, change: ExpectationChange): Promise<void>;
}

export interface SourceListener {
  /** Something of these routers changed; null: of too many to say. */
  hinted(ids: readonly string[] | null): void;
  /** There is a server (again): hints may have been lost. */
  connected(): void;
  /** A server's requests to this host. */
  readonly answers: Handler;
}

export interface KnownState {
  readonly epoch: string;
  /** {@link routersDigest} of the routers that the agent has. */
  readonly digest: string;
}

export interface PulledRouters {
  readonly routers: readonly DesiredRouter[];
  /** Routers whose description cannot be read: what is live of them stays, and their status says why. */
  readonly refused: readonly Refused[];
}

export interface FullPull extends PulledRouters {
  readonly epoch: string;
}

/** What an agent tells of itself; the source adds which host it is. */
export type OwnState = Omit<Heartbeat, 'host'>;

export const PULL_TIMEOUT_MS = 20_000;
