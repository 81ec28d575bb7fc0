import { confirmationPath, loadState } from '../agent/state-file.ts';
import { type Config, paths } from '../config/config.ts';
import type { Netns } from '../contract/netns.ts';
import { silentLogger } from '../ports/logger.ts';

/** What the agent of this host saved about whose tables are its own. */
export interface OwnTables {
  /** Null if no server has told it yet, or the state file is missing or cannot be read. */
  readonly installation: string | null;
  /** Namespaces of routers that had helpers. */
  readonly namespaces: ReadonlySet<Netns>;
}

/** Reads the agent's state file. */
export function ownTables(config: Pick<Config, 'dataDir' | 'runDir'>): OwnTables {
  const saved = loadState(paths(config).agentState, silentLogger);
  const served = (saved?.routers ?? []).filter(({ helpers }) => helpers.length > 0);
  return { installation: saved?.installation ?? null, namespaces: new Set(served.map(({ netns }) => netns)) };
}

/** Path of the file in which an operator confirms what the agent holds. */
export function confirmationOf(config: Pick<Config, 'dataDir' | 'runDir'>): string {
  return confirmationPath(paths(config).agentState);
}
