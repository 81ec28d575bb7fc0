import type { Generated } from 'kysely';

/**
 * The tables. Times are RFC 3339 text in UTC with milliseconds, so that they sort as text. JSON is text. `meta` holds the epoch, the
 * installation, the oldest compatible version and the number of failed commits; `counters` holds the number of the newest event.
 */
export interface Schema {
  routers: RouterRow;
  conntrack_helpers: HelperRow;
  router_status: StatusRow;
  agents: AgentRow;
  tokens: TokenRow;
  outbox: OutboxRow;
  audit: AuditRow;
  audit_anchors: { chain: string; seq: number; hash: string };
  audit_heads: HeadRow;
  events: EventRow;
  projects: ProjectRow;
  idempotency_keys: IdempotencyRow;
  counters: { name: string; value: number };
  meta: { key: string; value: string };
}

/** One declared router. `confinement` is JSON, or null for none; `labels` is JSON. */
export interface RouterRow {
  id: string;
  name: string;
  description: string;
  project_id: string;
  host: string | null;
  netns: string | null;
  revision: number;
  confinement: string | null;
  labels: string;
  created_at: string;
  updated_at: string;
}

/** One declared helper. */
export interface HelperRow {
  id: string;
  router_id: string;
  protocol: string;
  port: number;
  helper: string;
  /** The scope as JSON with keys in a fixed order; empty for none. Part of the unique key, which cannot contain null. */
  scope: string;
  expires_at: string | null;
  created_at: string;
  revision: number;
}

/** The last report about a router. `helpers` is JSON, a list of HelperStatus. */
export interface StatusRow {
  router_id: string;
  host: string;
  revision: number;
  reason: string;
  drifts: number;
  helpers: string;
  reported_at: string;
}

/** The last heartbeat of an agent. `state` is JSON. */
export interface AgentRow {
  host: string;
  started_at: string;
  seen_at: string;
  /** Seconds between two heartbeats. */
  interval: number;
  state: string;
  /** By the server's clock. Null if the agent has not said. */
  verified_at: string | null;
  bound_seconds: number | null;
  /** JSON; null if the agent has not said. */
  kernel: string | null;
  /** Null while the agent is not known to be silent. */
  silent_since: string | null;
}

/** One API token. */
export interface TokenRow {
  id: string;
  /** SHA-256 of the secret, hex. */
  hash: string;
  role: string;
  project_id: string | null;
  description: string;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
}

/** One hint that is still to be sent. */
export interface OutboxRow {
  id: Generated<number>;
  /** The server that has to send the hint, by the name of its audit chain. */
  server: string;
  host: string;
  router_id: string;
  created_at: string;
}

/** One audit entry. `before` and `after` are the JSON text that went into the hash. */
export interface AuditRow {
  id: Generated<number>;
  /** Null in rows that are older than chains. */
  chain: string | null;
  seq: number | null;
  hash: string | null;
  at: string;
  request_id: string;
  actor: string;
  action: string;
  target: string;
  project_id: string;
  before: string | null;
  after: string | null;
}

/** The newest signed head of a chain. */
export interface HeadRow {
  chain: string;
  seq: number;
  hash: string;
  at: string;
  key_id: string;
  public_key: string;
  signature: string;
}

/** One event. `seq` comes from the counter `events`; `data` is JSON. */
export interface EventRow {
  seq: number;
  at: string;
  kind: string;
  project_id: string;
  router_id: string;
  request_id: string;
  data: string;
}

/** Usage and limits of one project. A limit of null means the configured default. */
export interface ProjectRow {
  project_id: string;
  routers: number;
  helpers: number;
  router_limit: number | null;
  helper_limit: number | null;
}

/** The answer to a request with an idempotency key. `digest` is the request's SHA-256 in hex, `answer` is JSON. */
export interface IdempotencyRow {
  actor: string;
  key: string;
  digest: string;
  answer: string;
  created_at: string;
}
