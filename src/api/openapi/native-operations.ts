import { EVENT } from '../../contract/event.ts';
import { EXAMPLES, NEW_HELPER } from './examples.ts';
import type { Operations } from './operation.ts';

const { router, helper, agent, host, held, expectation, token, applied, auditEntry, auditChain, families, manifest, at } = EXAMPLES;
const status = { router, reason: '', reported_at: at, reported_revision: 3, drifts: 0, helpers: [{ ...helper, families }] };
const quota = { project_id: 'shop', routers: { used: 1, limit: 100 }, helpers: { used: 4, limit: -1 } };
const answeredHelper = { ...helper, warnings: [] };
/** What a request to the agent of a router may end in. */
const ASKED = ['router-not-found', 'not-served', 'unreachable', 'timeout', 'remote-failure', 'netns-not-found', 'netns-denied'] as const;
const DECLARED = ['helper-not-allowed', 'invalid-protocol-for-helper', 'duplicate-helper', 'quota-exceeded'] as const;

const ROUTERS: Operations = {
  'GET /v1/routers': {
    id: 'listRouters',
    summary: 'Lists routers',
    description: 'Returns the routers that the caller may see, by name or id, by labels, or page by page in the order of ids.',
    answer: { routers: [router] },
  },
  'POST /v1/routers': {
    id: 'createRouter',
    summary: 'Declares a router',
    description: 'A router without a host or a namespace is kept, and served once it has both.',
    errors: ['quota-exceeded', 'netns-in-use'],
    request: { name: 'branch-7', netns: 'branch-7' },
    answer: router,
    repeatable: true,
    versioned: true,
  },
  'GET /v1/routers/:id': {
    id: 'getRouter',
    summary: 'Shows a router',
    description: 'Returns one router as it is declared.',
    errors: ['router-not-found'],
    answer: router,
    versioned: true,
  },
  'PUT /v1/routers/:id': {
    id: 'updateRouter',
    summary: 'Changes a router',
    description: 'Changes the fields that the body names. `labels` replaces all labels.',
    errors: ['router-not-found', 'quota-exceeded', 'netns-in-use', 'host-unavailable'],
    request: { description: 'the branch in Berlin' },
    answer: router,
    conditional: true,
    versioned: true,
  },
  'PATCH /v1/routers/:id': {
    id: 'patchRouter',
    summary: 'Changes some labels of a router',
    description: 'Like PUT, but leaves labels alone that the body does not name.',
    errors: ['router-not-found', 'quota-exceeded', 'netns-in-use', 'host-unavailable'],
    request: { labels: { site: 'berlin' } },
    answer: router,
    conditional: true,
    versioned: true,
  },
  'DELETE /v1/routers/:id': {
    id: 'deleteRouter',
    summary: 'Removes a router',
    description: 'Removes a router and its helpers. Its agent removes them from the kernel.',
    errors: ['router-not-found'],
    conditional: true,
    status: 204,
  },
  'GET /v1/routers/:id/expectations': {
    id: 'listExpectations',
    summary: "Lists a router's open pinholes",
    description: 'Asks the agent for the expectations that the kernel has now.',
    errors: ASKED,
    answer: { expectations: [expectation] },
  },
  'GET /v1/routers/:id/plan': {
    id: 'getPlan',
    summary: 'Compares a router with its kernel',
    description: 'Asks the agent what a sync would change in the kernel now. Changes nothing.',
    errors: ASKED,
    answer: { changes: [], foreign: [], table: null },
  },
  'GET /v1/routers/:id/diagnosis': {
    id: 'diagnoseRouter',
    summary: 'Says why helpers of a router may not work',
    description: 'Asks the agent to follow connections through the rules of all programs of the host. It takes up to 25 seconds.',
    errors: ASKED,
    answer: { host: 'gw1.example.net', at, checks: [{ check: 'ftp tcp/21', result: 'ok', detail: 'the rule is there' }] },
  },
};

const HELPERS: Operations = {
  'GET /v1/routers/:id/helpers': {
    id: 'listHelpers',
    summary: "Lists a router's helpers",
    description: 'Returns the helpers of one router as they are declared.',
    errors: ['router-not-found'],
    answer: { helpers: [helper] },
  },
  'POST /v1/routers/:id/helpers': {
    id: 'createHelper',
    summary: 'Declares a helper',
    description: 'New connections to this port get the helper once the agent of the router has applied it. Status says when that is.',
    errors: ['router-not-found', ...DECLARED],
    request: NEW_HELPER,
    answer: answeredHelper,
    repeatable: true,
    versioned: true,
  },
  'GET /v1/routers/:id/helpers/:helper': {
    id: 'getHelper',
    summary: 'Shows a helper',
    description: 'Returns one helper as it is declared.',
    errors: ['router-not-found', 'helper-not-found'],
    answer: helper,
    versioned: true,
  },
  'PUT /v1/routers/:id/helpers/:helper': {
    id: 'updateHelper',
    summary: 'Changes a helper',
    description: 'Changes the fields that the body names.',
    errors: ['router-not-found', 'helper-not-found', ...DECLARED],
    request: { port: 2121 },
    answer: { ...answeredHelper, port: 2121 },
    conditional: true,
    versioned: true,
  },
  'DELETE /v1/routers/:id/helpers/:helper': {
    id: 'deleteHelper',
    summary: 'Removes a helper',
    description: 'New connections get the helper no more, and live ones lose it.',
    errors: ['router-not-found', 'helper-not-found'],
    conditional: true,
    status: 204,
  },
  'POST /v1/routers/:id/helpers/:helper/reapply': {
    id: 'reapplyHelper',
    summary: 'Assigns a helper to live connections',
    description: 'Rules assign helpers to new connections only. This assigns one to connections that exist already, and counts them.',
    errors: ['helper-not-found', ...ASKED],
    answer: { connections: 2 },
  },
};

const STATUS: Operations = {
  'GET /v1/status': {
    id: 'listStatus',
    summary: 'Shows whether helpers are in the kernel',
    description: 'Returns routers with their helpers, and what their agents reported about each in each address family.',
    answer: { routers: [status] },
  },
  'GET /v1/status/:id': {
    id: 'getStatus',
    summary: 'Shows the status of a router',
    description: 'Returns one router with its helpers, and what its agent reported.',
    errors: ['router-not-found'],
    answer: status,
  },
  'GET /v1/agents': {
    id: 'listAgents',
    summary: 'Lists agents',
    description: 'Returns the agents that have sent a heartbeat.',
    answer: { agents: [agent] },
  },
  'GET /v1/expectations': {
    id: 'followExpectations',
    summary: 'Follows pinholes as they open and close',
    description: 'An answer without end: one JSON object a line, beginning now. A client that does not read is disconnected.',
    media: 'application/x-ndjson',
    answer: `${JSON.stringify(EXAMPLES.expectationLine)}\n`,
  },
  'GET /v1/events': {
    id: 'followEvents',
    summary: 'Follows changes, status and drift',
    description:
      'An answer without end, as server-sent events. It resumes after the number in `Last-Event-ID` or `after`, and begins now without either.',
    errors: ['events-gone'],
    media: 'text/event-stream',
    result: {
      type: 'string',
      contentMediaType: 'application/json',
      contentSchema: EVENT.schema(),
      description: 'the `data` of each event',
    },
    answer: `id: 42\nevent: drift\ndata: ${JSON.stringify(EXAMPLES.event)}\n\n`,
  },
};

const HOSTS: Operations = {
  'GET /v1/hosts': {
    id: 'listHosts',
    summary: 'Lists hosts',
    description: 'Returns the hosts that have an agent, or that routers name.',
    answer: { hosts: [host] },
  },
  'GET /v1/hosts/:host': {
    id: 'getHost',
    summary: 'Shows a host',
    description: 'Returns one host with its agent and its kernel.',
    errors: ['host-not-found'],
    answer: host,
  },
  'DELETE /v1/hosts/:host': {
    id: 'forgetHost',
    summary: 'Forgets a host',
    description: 'Removes a silent host from the list. It comes back once its agent reports.',
    errors: ['host-not-found', 'host-in-use'],
    status: 204,
  },
  'POST /v1/hosts/:host/confirm': {
    id: 'confirmHost',
    summary: 'Lets a large removal through',
    description: 'The agent of this host holds a pull that would remove much. This lets it through; `id` says which one is meant.',
    errors: ['host-not-found', 'not-held', 'unreachable', 'timeout', 'remote-failure'],
    request: { id: 'a81f' },
    answer: held,
  },
};

const CHANGES: Operations = {
  'POST /v1/apply': {
    id: 'applyManifest',
    summary: 'Makes the declared state equal to a file',
    description: 'All changes are one transaction. The policy is asked for each of them.',
    errors: ['router-not-found', 'netns-in-use', 'host-unavailable', ...DECLARED],
    request: manifest,
    answer: applied,
    repeatable: true,
  },
  'POST /v1/plan': {
    id: 'planManifest',
    summary: 'Says what apply would do',
    description: 'Returns the changes that a file asks for, and the error with which apply would refuse it. Changes nothing.',
    request: manifest,
    answer: { steps: (applied as { steps: unknown }).steps, refusal: null },
  },
  'POST /v1/bulk': {
    id: 'changeMany',
    summary: 'Changes helpers of many routers',
    description: 'Makes one change to the helpers of all routers with these labels, in one transaction.',
    errors: ['router-not-found', ...DECLARED],
    request: { action: 'add', helper: NEW_HELPER },
    answer: applied,
    repeatable: true,
  },
};

const ADMINISTRATION: Operations = {
  'GET /v1/tokens': {
    id: 'listTokens',
    summary: 'Lists tokens',
    description: "Returns all tokens without their text, which only the answer to a token's creation contains.",
    answer: { tokens: [token] },
  },
  'POST /v1/tokens': {
    id: 'createToken',
    summary: 'Creates a token',
    description: "The answer contains the token's text. No other answer does.",
    request: { role: 'member', project_id: 'shop', description: 'deployment' },
    answer: { ...token, token: `ph_0123456789abcdef_${'A'.repeat(43)}` },
  },
  'DELETE /v1/tokens/:id': {
    id: 'revokeToken',
    summary: 'Revokes a token',
    description: 'The token is refused from now on, and streams that it opened end.',
    errors: ['token-not-found'],
    status: 204,
  },
  'GET /v1/quotas/:id': {
    id: 'getQuota',
    summary: "Shows a project's usage and limits",
    description: 'A project that has nothing yet has the configured limits.',
    answer: quota,
  },
  'PUT /v1/quotas/:id': {
    id: 'updateQuota',
    summary: "Changes a project's limits",
    description: 'A missing limit stays as it is, null is the configured one, and -1 is none.',
    request: { helpers: -1 },
    answer: quota,
  },
  'GET /v1/audit': {
    id: 'listAudit',
    summary: 'Reads the audit',
    description: 'Returns entries, the newest first, or those after a number of one chain.',
    answer: { entries: [auditEntry] },
  },
  'GET /v1/audit/chains': {
    id: 'listAuditChains',
    summary: 'Lists the chains of the audit',
    description: "Returns begin, end and signed head of each server's chain.",
    answer: { own: (auditChain as { chain: string }).chain, chains: [auditChain] },
  },
};

/** The operations of Pinhole's own dialect. */
export const NATIVE_OPERATIONS: Operations = { ...ROUTERS, ...HELPERS, ...STATUS, ...HOSTS, ...CHANGES, ...ADMINISTRATION };
