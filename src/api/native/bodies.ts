import type { AuditChain, StoredAudit } from '../../control/audit.ts';
import type { QuotaView } from '../../control/quotas.ts';
import type { HelperView, RouterView } from '../../control/status.ts';
import type { Token } from '../../control/tokens.ts';
import type { SignedHead } from '../../model/audit.ts';
import type { ConntrackHelper } from '../../model/conntrack-helper.ts';
import type { StoredEvent } from '../../model/event.ts';
import { DEFAULT_CONFINEMENT, type Router } from '../../model/router.ts';

interface RouterRequestBody {
  name?: string;
  description?: string;
  project_id?: string;
  host?: string | null;
  netns?: string | null;
  confine?: boolean | { blocked_ports?: number[]; rate_per_second?: number };
}

export function routerInput(body: RouterRequestBody) {
  const { name, description, host, netns } = body;
  return { name, description, projectId: body.project_id, host, netns, confinement: confinement(body.confine) };
}

function confinement(value: RouterRequestBody['confine']) {
  if (value === undefined) return undefined;
  if (value === false) return null;
  const given = value === true ? {} : value;
  return {
    blockedPorts: given.blocked_ports ?? DEFAULT_CONFINEMENT.blockedPorts,
    ratePerSecond: given.rate_per_second ?? DEFAULT_CONFINEMENT.ratePerSecond,
  };
}

export function routerBody(router: Router) {
  const { confinement } = router;
  return {
    id: router.id,
    name: router.name,
    description: router.description,
    project_id: router.projectId,
    host: router.host,
    netns: router.netns,
    revision: router.revision,
    confine: confinement ? { blocked_ports: confinement.blockedPorts, rate_per_second: confinement.ratePerSecond } : false,
    created_at: router.createdAt,
    updated_at: router.updatedAt,
  };
}

export function helperBody({ id, protocol, port, helper, scope, expiresAt, revision }: ConntrackHelper) {
  return {
    id,
    protocol,
    port,
    helper,
    scope: scope && { source: scope.source, destination: scope.destination, in_interface: scope.inInterface },
    expires_at: expiresAt,
    revision,
  };
}

export function statusBody(view: RouterView) {
  return {
    router: routerBody(view.router),
    reason: view.reason,
    reported_at: view.reportedAt,
    reported_revision: view.reportedRevision,
    drifts: view.drifts,
    helpers: view.helpers.map(({ helper, families }: HelperView) => ({ ...helperBody(helper), families })),
  };
}

export function tokenBody({ id, role, projectId, description, createdAt, expiresAt, revokedAt }: Token) {
  return { id, role, project_id: projectId, description, created_at: createdAt, expires_at: expiresAt, revoked_at: revokedAt };
}

export function auditBody(entry: StoredAudit) {
  const { id, chain, seq, hash, at, requestId, actor, action, target, projectId, before, after } = entry;
  return { id, chain, seq, hash, at, request_id: requestId, actor, action, target, project_id: projectId, before, after };
}

export function chainBody({ chain, anchor, tail, signed }: AuditChain) {
  return { chain, anchor, tail, signed: signed && headBody(signed) };
}

function headBody({ chain, seq, hash, at, keyId, publicKey, signature }: SignedHead) {
  return { chain, seq, hash, at, key_id: keyId, public_key: publicKey, signature };
}

export function eventBody({ seq, at, kind, projectId, routerId, requestId, data }: StoredEvent) {
  return { seq, at, kind, project_id: projectId, router_id: routerId, request_id: requestId, data };
}

export function quotaBody({ projectId, routers, helpers }: QuotaView) {
  return { project_id: projectId, routers, helpers };
}
