import type { Selectable } from 'kysely';
import type { SignedHead } from '../contract/audit.ts';
import type { EventKind, StoredEvent } from '../contract/event.ts';
import type { ConntrackHelper } from '../contract/helper.ts';
import type { HelperId, RouterId } from '../contract/primitives.ts';
import type { Router } from '../contract/router.ts';
import type { Scope } from '../contract/scope.ts';
import type { Role } from '../contract/token.ts';
import type { Agent, ProjectUsage, StoredAudit, StoredReport, Token } from './interface.ts';
import type { AgentRow, AuditRow, EventRow, HeadRow, HelperRow, ProjectRow, RouterRow, StatusRow, TokenRow } from './schema.ts';

/** Returns the router of a row. This function and those below trust the database: their counterparts wrote the rows. */
export function toRouter(row: RouterRow): Router {
  return {
    id: row.id as RouterId,
    name: row.name,
    description: row.description,
    projectId: row.project_id,
    host: row.host,
    netns: row.netns,
    revision: row.revision,
    confinement: row.confinement && JSON.parse(row.confinement),
    labels: JSON.parse(row.labels),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** Returns the row of a router. */
export function fromRouter(router: Router): RouterRow {
  return {
    id: router.id,
    name: router.name,
    description: router.description,
    project_id: router.projectId,
    host: router.host,
    netns: router.netns,
    revision: router.revision,
    confinement: router.confinement && JSON.stringify(router.confinement),
    labels: JSON.stringify(router.labels),
    created_at: router.createdAt,
    updated_at: router.updatedAt,
  };
}

/** Returns the helper of a row. An empty `scope` column means null. */
export function toHelper(row: HelperRow): ConntrackHelper {
  return {
    id: row.id as HelperId,
    routerId: row.router_id as RouterId,
    protocol: row.protocol,
    port: row.port,
    helper: row.helper,
    scope: row.scope ? (JSON.parse(row.scope) as Scope) : null,
    expiresAt: row.expires_at,
    revision: row.revision,
  };
}

/**
 * Returns the row of a helper without its time of creation. The scope's keys have a fixed order, because its JSON is part of a
 * unique key.
 */
export function fromHelper(helper: ConntrackHelper): Omit<HelperRow, 'created_at'> {
  const { scope } = helper;
  return {
    id: helper.id,
    router_id: helper.routerId,
    protocol: helper.protocol,
    port: helper.port,
    helper: helper.helper,
    scope: scope ? JSON.stringify({ source: scope.source, destination: scope.destination, inInterface: scope.inInterface }) : '',
    expires_at: helper.expiresAt,
    revision: helper.revision,
  };
}

/** Returns the report of a row. */
export function toReport(row: StatusRow): StoredReport {
  return {
    routerId: row.router_id,
    host: row.host,
    revision: row.revision,
    reason: row.reason,
    drifts: row.drifts,
    helpers: JSON.parse(row.helpers),
    reportedAt: row.reported_at,
  };
}

/** Returns the agent of a row. */
export function toAgent(row: AgentRow): Agent {
  return {
    host: row.host,
    startedAt: row.started_at,
    seenAt: row.seen_at,
    interval: row.interval,
    state: JSON.parse(row.state),
    verifiedAt: row.verified_at,
    boundSeconds: row.bound_seconds,
    kernel: row.kernel === null ? null : JSON.parse(row.kernel),
    silentSince: row.silent_since,
  };
}

/** Returns the token of a row. Roles are checked when a token is created. */
export function toToken(row: TokenRow): Token {
  return {
    id: row.id,
    hash: row.hash,
    role: row.role as Role,
    projectId: row.project_id,
    description: row.description,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  };
}

/** Returns the audit entry of a row. An entry that is older than chains gets the empty chain, number 0 and an empty hash. */
export function toAudit(row: Selectable<AuditRow>): StoredAudit {
  return {
    id: row.id,
    chain: row.chain ?? '',
    seq: row.seq ?? 0,
    hash: row.hash ?? '',
    at: row.at,
    requestId: row.request_id,
    actor: row.actor,
    action: row.action,
    target: row.target,
    projectId: row.project_id,
    before: row.before,
    after: row.after,
  };
}

/** Returns the signed head of a row. */
export function toHead(row: HeadRow): SignedHead {
  return {
    chain: row.chain,
    seq: row.seq,
    hash: row.hash,
    at: row.at,
    keyId: row.key_id,
    publicKey: row.public_key,
    signature: row.signature,
  };
}

/** Returns the row of a signed head. */
export function fromHead(head: SignedHead): HeadRow {
  return {
    chain: head.chain,
    seq: head.seq,
    hash: head.hash,
    at: head.at,
    key_id: head.keyId,
    public_key: head.publicKey,
    signature: head.signature,
  };
}

/** Returns the event of a row. */
export function toEvent(row: EventRow): StoredEvent {
  return {
    seq: row.seq,
    at: row.at,
    kind: row.kind as EventKind,
    projectId: row.project_id,
    routerId: row.router_id || null,
    requestId: row.request_id,
    data: JSON.parse(row.data),
  };
}

/** Returns the usage and limits of a row. */
export function toUsage(row: ProjectRow): ProjectUsage {
  return {
    projectId: row.project_id,
    routers: row.routers,
    helpers: row.helpers,
    routerLimit: row.router_limit,
    helperLimit: row.helper_limit,
  };
}
