import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI } from '../support/cli-path.ts';
import { onTerminal } from '../support/terminal.ts';

/** Names as clouds and fleets have them. */
const ID = '3f9c2a71-b0de-4c11-9a5e-5d0f7e6a1b2c';
const ROUTER = {
  id: ID,
  name: 'customer-0042-edge-router-frankfurt-1',
  description: '',
  project_id: '9d1b6f0c4e5a4c0fb7a2d3e4f5061728',
  host: 'network-node-17.fra1.cloud.example.net',
  netns: `qrouter-${ID}`,
  labels: { site: 'frankfurt', tier: 'production', 'managed-by': 'terraform' },
  revision: 1234,
  confine: false,
  created_at: '2030-01-31T12:00:00.000Z',
  updated_at: '2030-01-31T12:00:00.000Z',
};
const HELPER = {
  id: ID,
  protocol: 'udp',
  port: 10080,
  helper: 'netbios-ns',
  scope: { source: '2001:db8:1234:5678::/64', destination: '2001:db8:ffff::/48', in_interface: 'qg-0a1b2c3d-4e' },
  expires_at: '2030-01-31T12:00:00.000Z',
  revision: 3,
};
const LACKS = 'this kernel does not have the helper netbios-ns for udp over ipv6 (module nf_conntrack_netbios_ns)';
const STATUS = {
  router: ROUTER,
  reason: '',
  reported_at: null,
  reported_revision: 1234,
  drifts: 0,
  helpers: [
    {
      ...HELPER,
      families: [
        { family: 'ipv4', status: 'ACTIVE', reason: '', verified_at: '2030-01-31T12:00:00.000Z' },
        { family: 'ipv6', status: 'ERROR', reason: LACKS, verified_at: null },
      ],
    },
  ],
};
const AGENT = { started_at: ROUTER.created_at, seen_at: ROUTER.created_at, interval: 10, state: {}, verified_at: null, bound_seconds: 60 };
const PLAN = {
  changes: [
    {
      change: 'add',
      what: 'rule',
      name: 'assign',
      detail: `ct helper set tcp dport map { ${[21, 1720, 1723, 5060, 6566, 6667].map((port) => `${port} : "helper-tcp"`).join(', ')} }`,
    },
  ],
  foreign: ['rule in chain assign: counter packets 0 bytes 0 of another program that wrote into the table of Pinhole'],
  table: null,
};
const ANSWERS: Readonly<Record<string, unknown>> = {
  '/v1/routers': { routers: [ROUTER] },
  [`/v1/routers/${ID}/helpers`]: { helpers: [HELPER] },
  [`/v1/routers/${ID}/plan`]: PLAN,
  '/v1/status': {
    routers: [STATUS, { ...STATUS, router: { ...ROUTER, id: ID.replace('3', '4'), host: 'network-node-18.fra1.cloud.example.net' } }],
  },
  '/v1/agents': {
    agents: [
      { ...AGENT, host: ROUTER.host, alive: false, kernel: null },
      {
        ...AGENT,
        host: 'network-node-18.fra1.cloud.example.net',
        alive: true,
        kernel: { up: false, since: ROUTER.created_at, reason: 'does not answer' },
      },
    ],
  },
};

describe('on a terminal of 80 columns, with long names', () => {
  const server = createServer((request, response) => response.end(JSON.stringify(ANSWERS[(request.url ?? '').split('?')[0] ?? ''])));
  beforeAll(() => new Promise<void>((done) => server.listen(0, '127.0.0.1', done)));
  afterAll(() => server.close());

  it.each([
    ['status', ['status'], 'The agent on network-node-17'],
    ['helper list', ['helper', 'list'], `id ${ID}`],
    ['helper show', ['helper', 'show', ROUTER.name, ID], 'from 2001:db8:1234:5678::/64'],
    ['router list', ['router', 'list'], `netns ${ROUTER.netns}`],
    ['router show', ['router', 'show', ROUTER.name], ROUTER.project_id],
    ['plan', ['plan'], '6667 : "helper-tcp"'],
  ])('%s has no line that the terminal would break', async (_, argv, shown) => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const env = { ...process.env, PINHOLE_URL: url, PINHOLE_TOKEN: 'x' };
    const { lines } = await onTerminal(80, [process.execPath, CLI, ...argv], env);
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    expect(lines.join('\n')).toContain(shown);
  });
});
