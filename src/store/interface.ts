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

/** A token as it is kept: its secret is a hash. */
export interface Token extends TokenView {
  readonly hash: string;
}

/** An agent as it last told of itself. */
export type Agent = Omit<AgentView, 'alive'>;

export interface StoredReport extends RouterReport {
  readonly host: string;
  readonly reportedAt: string;
}

export interface OutboxItem {
  readonly id: number;
  readonly host: string;
  readonly routerId: RouterId;
}

export type { AuditChain, StoredAudit };

/**
 * Which entries: of a chain after number `after`, oldest first; without it the newest first, older than id `before`.
 * At most `limit`.
 */
export interface AuditFilter extends AuditQuery {
  readonly limit: number;
}

export interface RouterFilter {
  readonly projectId?: string;
  readonly ids?: readonly string[];
  readonly names?: readonly string[];
  readonly hosts?: readonly string[];
  readonly projects?: readonly string[];
  /** A page, in the order of ids, after `marker`. */
  readonly marker?: string;
  readonly limit?: number;
}

/** What a project has and may have; a limit of null is the configured one. */
export interface ProjectUsage {
  readonly projectId: string;
  readonly routers: number;
  readonly helpers: number;
  readonly routerLimit: number | null;
  readonly helperLimit: number | null;
}

/** What was answered to a request that named an idempotency key. */
export interface IdempotentAnswer {
  readonly actor: string;
  readonly key: string;
  /** Digest of the request: another one under the same key is a mistake. */
  readonly digest: string;
  readonly answer: unknown;
}

/** Reads see what is committed. */
export interface Reads {
  router(id: RouterId): Promise<Router | null>;
  routers(filter: RouterFilter): Promise<Router[]>;
  /** One page of a host's routers that have a namespace, by id, after `marker`. */
  routersOfHost(host: string, marker: string, limit: number): Promise<Router[]>;
  /** Of all of them. */
  revisionsOfHost(host: string): Promise<Pick<Router, 'id' | 'revision'>[]>;
  helper(id: HelperId): Promise<ConntrackHelper | null>;
  /** What a router has, by id, and whose it is; null where there is no such router. */
  routerHelpers(routerId: RouterId): Promise<{ readonly projectId: string; readonly helpers: ConntrackHelper[] } | null>;
  helpersOfMany(routerIds: readonly string[]): Promise<ConntrackHelper[]>;
  countHelpers(routerId: RouterId): Promise<number>;
  expiredHelpers(now: string, limit: number): Promise<ConntrackHelper[]>;
  nextExpiry(): Promise<string | null>;
  reports(routerIds: readonly string[]): Promise<StoredReport[]>;
  agents(): Promise<Agent[]>;
  token(id: string): Promise<Token | null>;
  tokens(): Promise<Token[]>;
  /** Hints that a server is to deliver, oldest first, after `marker`. */
  outbox(server: string, marker: number, limit: number): Promise<OutboxItem[]>;
  /** Whether another server has hints older than `before` that it did not deliver. */
  hasForsakenOutbox(server: string, before: string): Promise<boolean>;
  audit(filter: AuditFilter): Promise<StoredAudit[]>;
  auditChain(chain: string): Promise<AuditChain>;
  auditChains(): Promise<AuditChain[]>;
  /** Events after number `after`, in order. */
  events(after: number, limit: number): Promise<StoredEvent[]>;
  /** Number of the newest event, and of the oldest that is still kept. */
  eventRange(): Promise<{ oldest: number; newest: number }>;
  usage(projectId: string): Promise<ProjectUsage>;
  idempotentAnswer(actor: string, key: string): Promise<IdempotentAnswer | null>;
  /** Changes when a database is made anew or restored from a backup by `db` commands: revisions are comparable within one. */
  epoch(): Promise<string>;
}

/** What one durable unit of work may change; it reads its own writes, but for outbox, audit and events. */
export interface Writes extends Reads {
  /** Reads a router and keeps others from changing it, or its helpers, until the unit is done. */
  lockRouter(id: RouterId): Promise<Router | null>;
  insertRouter(router: Router): Promise<void>;
  /** @throws PinholeError `netns-in-use` */
  updateRouter(router: Router): Promise<void>;
  deleteRouter(id: RouterId): Promise<void>;
  /** @returns the new revision */
  bumpRevision(id: RouterId, at: string): Promise<number>;
  /** @returns false where the unique key is taken */
  insertHelper(helper: ConntrackHelper, at: string): Promise<boolean>;
  /** @returns false where the unique key is taken */
  updateHelper(helper: ConntrackHelper): Promise<boolean>;
  deleteHelper(id: HelperId): Promise<void>;
  /** Counts what a project gains or loses. @returns what it has then; others wait for this unit to count theirs */
  countUsage(projectId: string, gained: { routers?: number; helpers?: number }): Promise<ProjectUsage>;
  setLimits(projectId: string, limits: Pick<ProjectUsage, 'routerLimit' | 'helperLimit'>): Promise<void>;
  appendOutbox(host: string, routerId: RouterId, at: string): void;
  /** Of this server's own. */
  deleteOutbox(upTo: number): Promise<void>;
  /** Makes hints of other servers, older than `before`, this one's, as new ones; skips what another is taking. @returns how many */
  adoptOutbox(taken: { readonly before: string; readonly at: string; readonly limit: number }): Promise<number>;
  /** At the end of this server's chain. */
  appendAudit(entry: AuditEntry): void;
  appendEvent(event: NewEvent): void;
  saveSignedHead(head: SignedHead): Promise<void>;
  saveReport(report: StoredReport): Promise<void>;
  saveAgent(agent: Agent): Promise<void>;
  insertToken(token: Token): Promise<void>;
  revokeToken(id: string, at: string): Promise<void>;
  saveIdempotentAnswer(answer: IdempotentAnswer, at: string): Promise<void>;
  /** Removes at most `limit` rows of each kind that are older; a chain then begins where it was cut. @returns how many */
  prune(older: { readonly audit: string; readonly events: string; readonly idempotency: string }, limit: number): Promise<number>;
}

export interface Store {
  readonly read: Reads;
  /** Name of this server's audit chain. */
  readonly chain: string;
  /**
   * Runs `work` as one transaction and resolves when it is on stable storage. All or nothing: an error leaves no trace.
   * Writes that wait at the same time share one commit. `work` may run again where another server was in its way.
   * @throws PinholeError `store-unavailable` when the database cannot take it (disk full, I/O error, gone)
   */
  write<T>(work: (tx: Writes) => Promise<T>): Promise<T>;
  /** Called after events were committed, by this server or another that shares the database. */
  onEvents(listener: () => void): void;
  close(): Promise<void>;
}

export interface StoreOptions extends Pick<Ports, 'clock' | 'chance'> {
  /** Name of this server's audit chain: its own, whatever database it writes to. */
  readonly chain: string;
}
