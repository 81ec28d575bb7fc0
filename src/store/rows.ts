import type { ConntrackHelper, HelperId, Scope } from '../model/conntrack-helper.ts';
import type { Router, RouterId } from '../model/router.ts';
import type { Agent, StoredReport, Token } from './interface.ts';
import type { AgentRow, HelperRow, RouterRow, StatusRow, TokenRow } from './schema.ts';

export function toRouter(row: RouterRow): Router {
  return {
    id: row.id as RouterId,
    name: row.name,
    projectId: row.project_id,
    host: row.host,
    netns: row.netns,
    revision: row.revision,
    confinement: row.confinement && JSON.parse(row.confinement),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

export function fromRouter(router: Router): RouterRow {
  return {
    id: router.id,
    name: router.name,
    project_id: router.projectId,
    host: router.host,
    netns: router.netns,
    revision: router.revision,
    confinement: router.confinement && JSON.stringify(router.confinement),
    created_at: router.createdAt,
    updated_at: router.updatedAt,
  };
}

export function toHelper(row: HelperRow): ConntrackHelper {
  return {
    id: row.id as HelperId,
    routerId: row.router_id as RouterId,
    protocol: row.protocol,
    port: row.port,
    helper: row.helper,
    scope: row.scope ? (JSON.parse(row.scope) as Scope) : null,
    expiresAt: row.expires_at,
  };
}

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
  };
}

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

export function toAgent(row: AgentRow): Agent {
  return { host: row.host, startedAt: row.started_at, seenAt: row.seen_at, interval: row.interval, state: JSON.parse(row.state) };
}

export function toToken(row: TokenRow): Token {
  return {
    id: row.id,
    hash: row.hash,
    role: row.role,
    projectId: row.project_id,
    description: row.description,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
  };
}
