import { AGENT, type AgentView, HELD } from '../../contract/agent.ts';
import { APPLIED, type AppliedStep } from '../../contract/applied.ts';
import { AUDIT_CHAIN, AUDIT_ENTRY } from '../../contract/audit.ts';
import { EVENT } from '../../contract/event.ts';
import { EXPECTATION, EXPECTATION_EVENT } from '../../contract/expectation.ts';
import { HELPER, type HelperInput } from '../../contract/helper.ts';
import { HOST } from '../../contract/host.ts';
import type { HelperId, RouterId } from '../../contract/primitives.ts';
import { ROUTER, type Router } from '../../contract/router.ts';
import type { Of } from '../../contract/shape.ts';
import { TOKEN } from '../../contract/token.ts';

/** Entities as the examples of the document show them. The compiler knows that they are of the contract's types. */

const AT = '2030-01-31T12:00:00.000Z';
const ROUTER_ID = '5f7c0a52-1d1b-4f65-9e0c-6f1f9ed2a8b4' as RouterId;
const HELPER_ID = 'b1e9a1f6-0d55-4c0c-8d6a-0a4b8a1c5a77' as HelperId;

export const NEW_HELPER: HelperInput = { protocol: 'tcp', port: 21, helper: 'ftp' };

const router: Router = {
  id: ROUTER_ID,
  name: 'branch-7',
  description: '',
  projectId: 'shop',
  host: 'gw1.example.net',
  netns: 'branch-7',
  revision: 3,
  confinement: { blockedPorts: [3306, 5432], ratePerSecond: 100 },
  labels: { site: 'berlin' },
  createdAt: AT,
  updatedAt: AT,
};
const helper: Of<typeof HELPER> = { id: HELPER_ID, protocol: 'tcp', port: 21, helper: 'ftp', scope: null, expiresAt: null, revision: 1 };
const kernel = { up: true, since: AT, reason: '' };
const agent: AgentView = {
  host: 'gw1.example.net',
  alive: true,
  startedAt: AT,
  seenAt: AT,
  interval: 30,
  state: { version: '0.1.0' },
  verifiedAt: AT,
  boundSeconds: 60,
  kernel,
};
const host: Of<typeof HOST> = {
  host: 'gw1.example.net',
  state: 'alive',
  seenAt: AT,
  startedAt: AT,
  interval: 30,
  version: '0.1.0',
  kernelRelease: '6.1.0-28-amd64',
  routers: 1,
  kernel,
  verifiedAt: AT,
  boundSeconds: 60,
  held: null,
  agent: { version: '0.1.0' },
};
const expectation: Of<typeof EXPECTATION> = {
  helper: 'ftp',
  protocol: 'tcp',
  source: '198.51.100.20',
  destination: '192.0.2.10',
  port: 40_021,
  master: { source: '192.0.2.10', destination: '198.51.100.20', port: 21 },
};
const token: Of<typeof TOKEN> = {
  id: '0123456789abcdef',
  role: 'member',
  projectId: 'shop',
  description: 'deployment',
  createdAt: AT,
  expiresAt: null,
  revokedAt: null,
};
const step: AppliedStep = {
  step: 'create-helper',
  router: router.name,
  routerId: ROUTER_ID,
  helperId: HELPER_ID,
  helper: { protocol: 'tcp', port: 21, helper: 'ftp', scope: null, expiresAt: null },
  changes: [],
};
const hash = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
const chain = '0d6c4c9f-5b43-4f5e-9f5d-0d8f5b0f9f3a';
const position = { seq: 17, hash };
const entry: Of<typeof AUDIT_ENTRY> = {
  id: 17,
  chain,
  ...position,
  at: AT,
  requestId: 'req-3c9f0d2e-8f53-4d0c-b3a5-6a1a6d1f7c11',
  actor: 'token:0123456789abcdef',
  action: 'create_conntrack_helper',
  target: HELPER_ID,
  projectId: 'shop',
  before: null,
  after: JSON.stringify(NEW_HELPER),
};
const event: Of<typeof EVENT> = {
  seq: 42,
  at: AT,
  kind: 'drift',
  projectId: 'shop',
  routerId: ROUTER_ID,
  requestId: '',
  data: { drifts: 1 },
};

/** The entities in JSON's form. */
export const EXAMPLES = {
  router: ROUTER.write(router),
  helper: HELPER.write(helper),
  agent: AGENT.write(agent),
  host: HOST.write(host),
  held: HELD.write({ id: 'a81f', reason: 'it would remove more than half of the helpers', removed: 40, live: 50 }),
  expectation: EXPECTATION.write(expectation),
  expectationLine: EXPECTATION_EVENT.write({ at: AT, routerId: ROUTER_ID, change: 'new', expectation, leftOut: 0 }),
  token: TOKEN.write(token),
  applied: APPLIED.write({ steps: [step], warnings: [] }),
  auditEntry: AUDIT_ENTRY.write(entry),
  auditChain: AUDIT_CHAIN.write({ chain, anchor: { seq: 0, hash }, tail: position, signed: null }),
  event: EVENT.write(event),
  families: [
    { family: 'ipv4', status: 'ACTIVE', reason: '', verified_at: AT },
    { family: 'ipv6', status: 'ACTIVE', reason: '', verified_at: AT },
  ],
  manifest: { routers: [{ name: 'branch-7', netns: 'branch-7', helpers: [{ helper: 'ftp' }] }] },
  at: AT,
} as const;
