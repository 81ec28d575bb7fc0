import type { AgentView } from '../contract/agent.ts';
import type { AuditChain, AuditEntry, SignedHead, StoredAudit } from '../contract/audit.ts';
import type { NewEvent, StoredEvent } from '../contract/event.ts';
import type { ConntrackHelper } from '../contract/helper.ts';
import type { HelperId, RouterId } from '../contract/primitives.ts';
import type { AuditQuery } from '../contract/query.ts';
import type { Router } from '../contract/router.ts';
import type { RouterReport } from '../contract/status.ts';
import type { TokenView } from '../contract/token.ts';
import type { Ports } from '../ports/ports.ts';

/** An API token as the database holds it. The secret itself is stored nowhere. */
export interface Token extends TokenView {
  /** SHA-256 of the secret part of the token's text, in hex. */
  readonly hash: string;
}

/** An agent as its last heartbeat described it. Whether it is alive is computed at each read and not stored. */
export type Heard = Omit<AgentView, 'alive'>;
/** An agent, and since when it is known to be silent; null while it is not. */
export interface Agent extends Heard {
  readonly silentSince: string | null;
}

/** The last report about a router, with the host that sent it and the time (RFC 3339, UTC) at which a server took it. */
export interface StoredReport extends RouterReport {
  readonly host: string;
  readonly reportedAt: string;
}

/** One hint that is still to be sent: the agent of `host` shall pull the router. Ids rise in the order of insertion. */
export interface OutboxItem {
  readonly id: number;
  readonly host: string;
  readonly routerId: RouterId;
}

export type { AuditChain, StoredAudit };

/**
 * Selects audit entries. With `after`: the entries of `chain` after that number, oldest first. Without it: the newest first, older
 * than id `before`. `limit` bounds the number of entries.
 */
export interface AuditFilter extends AuditQuery {
  readonly limit: number;
}

/** Conditions are combined with AND; a list matches if any of its values does. An absent field does not restrict. */
export interface RouterFilter {
  readonly projectId?: string;
  readonly ids?: readonly string[];
  readonly names?: readonly string[];
  readonly hosts?: readonly string[];
  readonly projects?: readonly string[];
  /** Returns only routers whose id is greater than this one: where the previous page ended. */
  readonly marker?: string;
  /** Maximum number of routers. Absent: no maximum. */
  readonly limit?: number;
}

/** Which database this is, and which state of it. */
export interface History {
  /** Made with the database; what its tables are stamped with. */
  readonly installation: string;
  /** As {@link Reads.epoch}. */
  readonly epoch: string;
  /** Number of the newest event. It rises with every change, so that an older copy of the database has a lower one. */
  readonly position: number;
}

/** What a database holds, for metrics. */
export interface Totals {
  readonly routers: number;
  readonly helpers: number;
  /** Hints that no server has sent yet. */
  readonly hints: number;
  /** When the oldest of them was written; null for none. */
  readonly oldestHint: string | null;
}

/** The number of routers and helpers of a project, and its limits. A limit of null means that the configured default applies. */
export interface ProjectUsage {
  readonly projectId: string;
  readonly routers: number;
  readonly helpers: number;
  readonly routerLimit: number | null;
  readonly helperLimit: number | null;
}

/** The stored answer to a request that carried an idempotency key. Keys of different actors are independent. */
export interface IdempotentAnswer {
  readonly actor: string;
  readonly key: string;
  /** SHA-256 of the request, in hex. A different request under the same key is refused. */
  readonly digest: string;
  readonly answer: unknown;
}

/**
 * Queries. Through `Store.read` they see committed data only; through {@link Writes} they also see the unit's own changes. A
 * method that looks up one row returns null if there is no such row. Every method rejects if the database cannot be read; for
 * PostgreSQL the error of `Store.read` is PinholeError `store-unavailable`.
 */
export interface Reads {
  /** Returns the router with this id. */
  router(id: RouterId): Promise<Router | null>;
  /** Returns the routers that match, ordered by id. */
  routers(filter: RouterFilter): Promise<Router[]>;
  /**
   * Returns one page of the host's routers that have a network namespace: at most `limit`, ordered by id, with ids greater than
   * `marker`.
   */
  routersOfHost(host: string, marker: string, limit: number): Promise<Router[]>;
  /**
   * Returns id and revision of all routers of the host that have a network namespace, in no particular order. Agents compare a
   * digest of this list.
   */
  revisionsOfHost(host: string): Promise<Pick<Router, 'id' | 'revision'>[]>;
  /** Returns the helper with this id, whichever router it belongs to. */
  helper(id: HelperId): Promise<ConntrackHelper | null>;
  /** Returns the router's project and its helpers, ordered by id; null if there is no such router. */
  routerHelpers(routerId: RouterId): Promise<{ readonly projectId: string; readonly helpers: ConntrackHelper[] } | null>;
  /** Returns the helpers of all these routers, ordered by id within each group of 500 routers. */
  helpersOfMany(routerIds: readonly string[]): Promise<ConntrackHelper[]>;
  /** Returns the number of helpers of a router; 0 if there is no such router. */
  countHelpers(routerId: RouterId): Promise<number>;
  /** Returns at most `limit` helpers that expire at or before `now` (RFC 3339, UTC), the earliest first. */
  expiredHelpers(now: string, limit: number): Promise<ConntrackHelper[]>;
  /** Returns the earliest expiry time of all helpers (RFC 3339, UTC); null if no helper expires. */
  nextExpiry(): Promise<string | null>;
  /** Returns the last report about each of these routers, in no particular order. Routers without a report are left out. */
  reports(routerIds: readonly string[]): Promise<StoredReport[]>;
  /** Returns all agents that ever sent a heartbeat, ordered by host. */
  agents(): Promise<Agent[]>;
  /** Returns the number of routers of each host that routers name; of one host only, if it is named. */
  routersByHost(host?: string): Promise<Map<string, number>>;
  /** Returns the agent of a host; null if it never sent a heartbeat. */
  agent(host: string): Promise<Agent | null>;
  /** Returns the token with this id, also if it has expired or was revoked. */
  token(id: string): Promise<Token | null>;
  /** Returns all tokens, oldest first, including expired and revoked ones. */
  tokens(): Promise<Token[]>;
  /** Returns at most `limit` hints that `server` has to send, oldest first, with ids greater than `marker`. */
  outbox(server: string, marker: number, limit: number): Promise<OutboxItem[]>;
  /** Returns whether another server left a hint unsent that was created before `before` (RFC 3339, UTC). */
  hasForsakenOutbox(server: string, before: string): Promise<boolean>;
  /** Returns the audit entries that the filter selects, in its order. */
  audit(filter: AuditFilter): Promise<StoredAudit[]>;
  /**
   * Returns where a chain begins (its anchor), where it ends, and its newest signed head. For an unknown chain, begin and end are
   * its genesis.
   */
  auditChain(chain: string): Promise<AuditChain>;
  /** Returns every chain of this database, ordered by name. Each server has one. */
  auditChains(): Promise<AuditChain[]>;
  /** Returns at most `limit` events with numbers greater than `after`, in order. */
  events(after: number, limit: number): Promise<StoredEvent[]>;
  /** Returns the number of the newest event and of the oldest that retention kept. If no event is kept, `oldest` is `newest + 1`. */
  eventRange(): Promise<{ oldest: number; newest: number }>;
  /**
   * Returns the project's usage and limits; zeros and null limits for a project that has nothing. Within {@link Writes} the answer
   * includes the counts of the units that run in the same batch.
   */
  usage(projectId: string): Promise<ProjectUsage>;
  /** Returns the answer that was stored for the actor's key. */
  idempotentAnswer(actor: string, key: string): Promise<IdempotentAnswer | null>;
  /**
   * Returns the id of this state of the database. `db` commands that create or restore a database change it; revisions are
   * comparable only within one epoch.
   */
  epoch(): Promise<string>;

  /** How much is declared, and which hints wait. One row a project is read, and the outbox, which is short. */
  totals(): Promise<Totals>;

  /** Whether a new router is confined where neither its request nor the configuration says: true if this version made the database. */
  confinesNewRouters(): Promise<boolean>;
  /** Returns whose database this is, and how far it has come. */
  history(): Promise<History>;
}

/**
 * The changes that one durable unit of work can make. The unit reads its own writes, except for outbox, audit and events, which
 * the store writes at the end of the batch. Methods reject with the database's error if it refuses a statement; {@link
 * Store.write} translates it.
 */
export interface Writes extends Reads {
  /** Reads a router and keeps other units from changing it or its helpers until this unit has ended. */
  lockRouter(id: RouterId): Promise<Router | null>;
  /** Keeps other units that call this from running until this unit has ended, on any server. Called before any other change. */
  lockManifests(): Promise<void>;
  /** Inserts a router. @throws PinholeError `netns-in-use` if another router has the same host and network namespace */
  insertRouter(router: Router): Promise<void>;
  /** Replaces all fields of the router with this id. @throws PinholeError `netns-in-use`, as {@link insertRouter} */
  updateRouter(router: Router): Promise<void>;
  /** Deletes a router with its helpers and its report. Does nothing if there is no such router. */
  deleteRouter(id: RouterId): Promise<void>;
  /** Increments the router's revision and sets its `updatedAt` to `at`. @returns the new revision; 0 if there is no such router */
  bumpRevision(id: RouterId, at: string): Promise<number>;
  /**
   * Inserts a helper. @returns false, without a change, if the router already has one with the same protocol, port, helper and
   * scope
   */
  insertHelper(helper: ConntrackHelper, at: string): Promise<boolean>;
  /**
   * Replaces the fields of the helper with this id. The caller holds the router's lock.
   * @returns false, without a change, if the new values are those of another helper
   */
  updateHelper(helper: ConntrackHelper): Promise<boolean>;
  /** Deletes a helper. Does nothing if there is no such helper. */
  deleteHelper(id: HelperId): Promise<void>;
  /**
   * Adds `gained` (negative: gives back) to the project's counts. Until the unit has ended, units that count for the same project
   * wait.
   * @returns the usage after the addition
   */
  countUsage(projectId: string, gained: { routers?: number; helpers?: number }): Promise<ProjectUsage>;
  /** Sets both limits of a project; null restores the configured default. */
  setLimits(projectId: string, limits: Pick<ProjectUsage, 'routerLimit' | 'helperLimit'>): Promise<void>;
  /** Records a hint to the agent of `host` that this server sends after the commit. */
  appendOutbox(host: string, routerId: RouterId, at: string): void;
  /** Deletes this server's own hints with ids up to and including `upTo`. */
  deleteOutbox(upTo: number): Promise<void>;
  /**
   * Turns other servers' hints that are older than `before` into new hints of this server, at most `limit`. Rows that another
   * server is adopting at the moment are skipped.
   * @returns the number of adopted hints
   */
  adoptOutbox(taken: { readonly before: string; readonly at: string; readonly limit: number }): Promise<number>;
  /** Appends an entry at the end of this server's audit chain. */
  appendAudit(entry: AuditEntry): void;
  /** Appends an event. It gets its number at the end of the batch. */
  appendEvent(event: NewEvent): void;
  /** Stores the newest signed head of a chain in place of the previous one. */
  saveSignedHead(head: SignedHead): Promise<void>;
  /** Stores the newest report about a router in place of the previous one. Does nothing if the router has been deleted. */
  saveReport(report: StoredReport): Promise<void>;
  /** Stores an agent's heartbeat in place of the previous one of its host. */
  saveAgent(agent: Heard): Promise<void>;
  /**
   * Notes that an agent is silent since its last heartbeat. @returns false, without a change, if another unit did so before, or a later
   * heartbeat came
   */
  markSilent(agent: Pick<Agent, 'host' | 'seenAt'>): Promise<boolean>;
  /** Notes that an agent is not silent. @returns false, without a change, if it was not noted as silent */
  markHeard(host: string): Promise<boolean>;
  /** Deletes the agent of a host. Its last reports stay until the routers' next ones. */
  forgetAgent(host: string): Promise<void>;
  /** Inserts a token. Its id is random and 64 bits long, so that it is not in use. */
  insertToken(token: Token): Promise<void>;
  /** Revokes a token at the time `at`. The time of an earlier revocation stays. */
  revokeToken(id: string, at: string): Promise<void>;
  /** Stores the answer to a request under its idempotency key, which has no answer yet. */
  saveIdempotentAnswer(answer: IdempotentAnswer, at: string): Promise<void>;
  /**
   * Deletes old rows: at most `limit` audit entries and `limit` events, and all idempotency keys older than the given times (RFC
   * 3339, UTC). Each audit chain then begins at the last entry that was deleted.
   * @returns the number of deleted rows
   */
  prune(older: { readonly audit: string; readonly events: string; readonly idempotency: string }, limit: number): Promise<number>;
}

/** A database of one server or of a fleet, opened by `openSqlite` or `openPostgres`. */
export interface Store {
  /** Reads of committed data, outside of any unit of work. */
  readonly read: Reads;
  /** Name of this server's audit chain. Its hints in the outbox and its topic on the bus carry it too. */
  readonly chain: string;
  /**
   * Runs `work` as one unit and resolves when its changes are on stable storage. The unit is atomic: if `work` throws, no change
   * remains and the promise rejects with the same error. Units that wait at the same time share one commit. `work` may run more
   * than once, because a unit that meets another server's lock is repeated: it must have no side effects outside of `tx`.
   * @param owner whose change it is: owners take turns when more units wait than one commit takes. Default: Pinhole's own
   * @throws PinholeError `store-unavailable` if the database cannot take the change (disk full, I/O error, connection lost)
   */
  write<T>(work: (tx: Writes) => Promise<T>, owner?: string): Promise<T>;
  /** How many commits there were since the start, and how many units of work they held. */
  readonly commits: { readonly count: number; readonly units: number };
  /** Whether the database refused the last unit of work. The next one that it takes ends that. */
  refusesWrites(): boolean;
  /**
   * Calls `listener` after this or another server of the same database has committed events. Calls may be merged or lost, so that
   * a follower also looks by itself.
   */
  onEvents(listener: () => void): void;
  /** Waits for units under way, then closes all connections. The store must not be used afterwards. */
  close(): Promise<void>;
}

/** Options that both kinds of database share. */
export interface StoreOptions extends Pick<Ports, 'clock' | 'chance'> {
  /** Name of this server's audit chain. It belongs to the server's data directory, not to the database. */
  readonly chain: string;
}
