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
   */
  pullAll(known: KnownState | null): Promise<FullPull>;
  /** Those of the routers named that are this host's; the others are not, or no more. */
  pull(ids: readonly string[]): Promise<PulledRouters & Pick<History, 'epoch' | 'position'>>;
  /** A namespace came or went. @returns the routers to be pulled for that */
  onNamespace(netns: Netns, present: boolean): readonly string[];
  /**
   * Resolves when the server has saved the reports.
   * @param at the time now by this host's clock, as the times in the reports are
   * @throws PinholeError where they have to be sent again
   */
  reportStatus(reports: readonly RouterReport[], at: string): Promise<void>;
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

/** Where an answer comes from. Fields that the server did not tell are null, or empty for the epoch. */
export interface History {
  readonly installation: string | null;
  readonly epoch: string;
  /** How far the database has come: a number that rises with every change. */
  readonly position: number | null;
}

export interface FullPull {
  readonly history: History;
  /** Null if nothing changed since what the agent told that it has. */
  readonly pulled: PulledRouters | null;
}

/** What an agent tells of itself; the source adds which host it is. */
export type OwnState = Omit<Heartbeat, 'host'>;

export const PULL_TIMEOUT_MS = 20_000;
