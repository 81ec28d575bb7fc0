import type { Generated } from 'kysely';

/** Rows as the tables hold them: times are ISO 8601 text in UTC, JSON is text. */
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

export interface RouterRow {
  id: string;
  name: string;
  description: string;
  project_id: string;
  host: string | null;
  netns: string | null;
  revision: number;
  confinement: string | null;
  created_at: string;
  updated_at: string;
}

export interface HelperRow {
  id: string;
  router_id: string;
  protocol: string;
  port: number;
  helper: string;
  /** Canonical JSON of the scope, empty for none: part of the unique key. */
  scope: string;
  expires_at: string | null;
  created_at: string;
  revision: number;
}

export interface StatusRow {
  router_id: string;
  host: string;
  revision: number;
  reason: string;
  drifts: number;
  helpers: string;
  reported_at: string;
}

export interface AgentRow {
  host: string;
  started_at: string;
  seen_at: string;
  /** Seconds between two of its reports. */
  interval: number;
  state: string;
}

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

export interface OutboxRow {
  id: Generated<number>;
  /** The server that delivers it, by the name of its chain. */
  server: string;
  host: string;
  router_id: string;
  created_at: string;
}

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

export interface HeadRow {
  chain: string;
  seq: number;
  hash: string;
  at: string;
  key_id: string;
  public_key: string;
  signature: string;
}

export interface EventRow {
  seq: number;
  at: string;
  kind: string;
  project_id: string;
  router_id: string;
  request_id: string;
  data: string;
}

export interface ProjectRow {
  project_id: string;
  routers: number;
  helpers: number;
  router_limit: number | null;
  helper_limit: number | null;
}

export interface IdempotencyRow {
  actor: string;
  key: string;
  digest: string;
  answer: string;
  created_at: string;
}
