import type { ConntrackHelper, HelperId } from '../model/conntrack-helper.ts';
import type { Router, RouterId } from '../model/router.ts';
import type { RouterReport } from '../model/status.ts';

export interface Token {
  readonly id: string;
  readonly hash: string;
  readonly role: string;
  readonly projectId: string | null;
  readonly description: string;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
}

export interface Agent {
  readonly host: string;
  readonly startedAt: string;
  readonly seenAt: string;
  readonly interval: number;
  /** What it last said of itself: version, capabilities, counts. */
  readonly state: Readonly<Record<string, unknown>>;
}

export interface StoredReport extends RouterReport {
  readonly host: string;
  readonly reportedAt: string;
}

export interface OutboxItem {
  readonly id: number;
  readonly host: string;
  readonly routerId: RouterId;
}

export interface AuditEntry {
  readonly at: string;
  readonly requestId: string;
  readonly actor: string;
  readonly action: string;
  readonly target: string;
  readonly projectId: string;
  readonly before: object | null;
  readonly after: object | null;
}

export interface RouterFilter {
  readonly projectId?: string;
  readonly ids?: readonly string[];
  readonly names?: readonly string[];
  readonly hosts?: readonly string[];
}

/** Reads see what is committed. */
export interface Reads {
  router(id: RouterId): Promise<Router | null>;
  routers(filter: RouterFilter): Promise<Router[]>;
  /** One page of a host's routers that have a namespace, by id, after `marker`. */
  routersOfHost(host: string, marker: string, limit: number): Promise<Router[]>;
  helper(id: HelperId): Promise<ConntrackHelper | null>;
  helpersOf(routerId: RouterId): Promise<ConntrackHelper[]>;
  helpersOfMany(routerIds: readonly string[]): Promise<ConntrackHelper[]>;
  countHelpers(routerId: RouterId): Promise<number>;
  expiredHelpers(now: string, limit: number): Promise<ConntrackHelper[]>;
  nextExpiry(): Promise<string | null>;
  reports(routerIds: readonly string[]): Promise<StoredReport[]>;
  agents(): Promise<Agent[]>;
  token(id: string): Promise<Token | null>;
  tokens(): Promise<Token[]>;
  /** Hints to deliver, oldest first, after `marker`. */
  outbox(marker: number, limit: number): Promise<OutboxItem[]>;
  audit(limit: number): Promise<(AuditEntry & { id: number })[]>;
  /** Changes when a database is made anew or restored from a backup by `db` commands: revisions are comparable within one. */
  epoch(): Promise<string>;
}

/** What one durable unit of work may change; it reads its own writes. */
export interface Writes extends Reads {
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
  appendOutbox(host: string, routerId: RouterId, at: string): Promise<void>;
  deleteOutbox(upTo: number): Promise<void>;
  appendAudit(entry: AuditEntry): Promise<void>;
  saveReport(report: StoredReport): Promise<void>;
  saveAgent(agent: Agent): Promise<void>;
  insertToken(token: Token): Promise<void>;
  revokeToken(id: string, at: string): Promise<void>;
}

export interface Store {
  readonly read: Reads;
  /**
   * Runs `work` as one transaction and resolves when it is on stable storage. All or nothing: an error leaves no trace.
   * Writes that wait at the same time share one commit.
   * @throws PinholeError `store-unavailable` when the database cannot take it (disk full, I/O error)
   */
  write<T>(work: (tx: Writes) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
