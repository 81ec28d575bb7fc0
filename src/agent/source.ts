import type { Arguments } from '../bus/interface.ts';
import type { DesiredRouter } from '../model/desired.ts';
import type { Netns } from '../model/netns.ts';
import type { RouterReport } from '../model/status.ts';

/** Where an agent's desired state comes from, and who is told what became of it. */
export interface Source {
  start(listener: SourceListener): void;
  /**
   * All routers of this host.
   * @param known what the agent has; null where it wants everything whatever it has
   * @returns null where that is what there is
   */
  pullAll(known: KnownState | null): Promise<FullPull | null>;
  /** Those of the routers named that are this host's; the others are not, or no more. */
  pull(ids: readonly string[]): Promise<readonly DesiredRouter[]>;
  /** A namespace came or went. @returns the routers to be pulled for that */
  onNamespace(netns: Netns, present: boolean): readonly string[];
  reportStatus(reports: readonly RouterReport[]): Promise<void>;
  reportState(heartbeat: Heartbeat): Promise<void>;
  /** Tells something to the one server that wants to know. */
  tell(topic: string, method: string, args: Arguments): Promise<void>;
}

export interface SourceListener {
  /** Something of these routers changed; null: of too many to say. */
  hinted(ids: readonly string[] | null): void;
  connected(): void;
  asked(method: string, args: Arguments): Promise<unknown>;
}

export interface KnownState {
  readonly epoch: string;
  /** {@link routersDigest} of the routers that the agent has. */
  readonly digest: string;
}

export interface FullPull {
  readonly epoch: string;
  readonly routers: readonly DesiredRouter[];
}

export interface Heartbeat {
  readonly startedAt: string;
  readonly interval: number;
  readonly configurations: Readonly<Record<string, unknown>>;
}

/** Bounds on what an agent takes for its host. */
export const MAX_ROUTERS_A_HOST = 100_000;
export const PULL_TIMEOUT_MS = 20_000;
