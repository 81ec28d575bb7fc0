import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RouteAccess } from '../../src/api/access.ts';
import { LocalBusClient } from '../../src/bus/local.ts';
import { paths } from '../../src/config/config.ts';
import { agentTopic, METHODS } from '../../src/wire/topics.ts';
import { AllRows, type Rows } from '../support/all-rows.ts';
import { hostileText } from '../support/arbitraries.ts';
import { eventually } from '../support/eventually.ts';
import { realPorts } from '../support/ports.ts';
import { STORES } from '../support/stores.ts';
import { type Answer, TestServer } from '../support/test-server.ts';

const SOAK = process.env['PINHOLE_SOAK'] !== undefined;
/** On each store; together 100,000 in a soak. */
const RUNS = SOAK ? 50_000 : 1_500;
/** More routers than this are thinned out, so that reading all rows stays cheap. */
const MAX_ROUTERS = 30;

const PROJECTS = ['p', 'q'] as const;
const ROLES = ['admin', 'member-p', 'reader-p', 'member-q', 'reader-q', 'anonymous', 'forged'] as const;
type Role = (typeof ROLES)[number];

/** One request, with places for ids that are there when it is sent. */
interface Draft {
  readonly route: number;
  readonly role: Role;
  readonly ids: readonly [Id, Id];
  readonly query: readonly (readonly [string, string])[];
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

type Id = { readonly of: 'p' | 'q'; readonly index: number } | { readonly text: string };

const anyId: fc.Arbitrary<Id> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ of: fc.constantFrom(...PROJECTS), index: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.constantFrom({ text: '00000000-0000-4000-8000-000000000000' }, { text: 'p' }, { text: 'q' }) },
  { weight: 1, arbitrary: hostileText.map((text) => ({ text })) },
);
const port = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 40 }) },
  fc.constantFrom<unknown>(0, 65536, '21', 'x', null, 1.5, true, {}, []),
);
const word = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('a', 'b', 'name') }, hostileText);
const helper = fc.record(
  {
    protocol: fc.oneof({ weight: 5, arbitrary: fc.constantFrom<unknown>('tcp', 'udp') }, fc.constantFrom<unknown>('TCP', 'gre', 6, null)),
    port,
    helper: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom<unknown>('ftp', 'tftp', 'sip') },
      fc.constantFrom<unknown>('nosuch', '', 5, null),
      hostileText,
    ),
    scope: fc.constantFrom<unknown>(null, { source: '10.0.0.0/8' }, { source: 'x' }, { in_interface: 'eth0' }, 5),
    expires_at: fc.constantFrom<unknown>(null, '2100-01-01T00:00:00Z', '2000-01-01T00:00:00Z', 'x'),
    project_id: fc.constantFrom<unknown>('p', 'q', ''),
    id: fc.constantFrom<unknown>('x'),
  },
  { requiredKeys: ['protocol', 'port', 'helper'] },
);
/** `scope` and `expires_at` are unknown to Neutron's dialect, `project_id` to ours: some bodies are refused for that. */
const plainHelper = helper.map(({ protocol, port, helper }) => ({ protocol, port, helper }));
const router = fc.record(
  {
    name: word,
    description: word,
    project_id: fc.constantFrom<unknown>('p', 'q', null, 5),
    tenant_id: fc.constantFrom<unknown>('p', 'q'),
    host: fc.constantFrom<unknown>('here', null, 'a b', 5),
    netns: fc.oneof(fc.constantFrom<unknown>(null, '../x', '/', 5), fc.stringMatching(/^n[0-9]{1,2}$/)),
    admin_state_up: fc.constantFrom<unknown>(true, false, 'x'),
    confine: fc.constantFrom<unknown>(true, false, { blocked_ports: [1] }, { blocked_ports: ['x'] }),
    revision_number: fc.constantFrom<unknown>(1),
  },
  { requiredKeys: [] },
);
const body = fc.oneof(
  { weight: 4, arbitrary: plainHelper },
  { weight: 4, arbitrary: plainHelper.map((item) => ({ conntrack_helper: item })) },
  { weight: 2, arbitrary: fc.array(plainHelper, { maxLength: 4 }).map((items) => ({ conntrack_helpers: items })) },
  helper,
  { weight: 2, arbitrary: router },
  { weight: 2, arbitrary: router.map((item) => ({ router: item })) },
  fc.record(
    { role: fc.constantFrom<unknown>('admin', 'member', 'x'), project_id: fc.constantFrom<unknown>('p', 'q', null) },
    { requiredKeys: [] },
  ),
  fc.record(
    { routers: fc.constantFrom<unknown>(null, -1, 50, 'x'), helpers: fc.constantFrom<unknown>(null, -1, 500) },
    { requiredKeys: [] },
  ),
  fc.jsonValue({ maxDepth: 3 }),
  fc.constant(undefined),
);
const parameter = fc.tuple(
  fc.oneof(
    fc.constantFrom(
      'limit',
      'marker',
      'page_reverse',
      'sort_key',
      'sort_dir',
      'fields',
      'id',
      'name',
      'port',
      'protocol',
      'project_id',
      'find',
      'after',
      'chain',
    ),
    hostileText,
  ),
  fc.oneof(fc.constantFrom('1', '2', '-1', 'x', 'port', 'id', 'asc', 'desc', 'true', 'p', 'q', 'tcp', ''), hostileText),
);
const header = fc.oneof(
  fc.constantFrom<[string, string]>(
    ['if-match', '"1"'],
    ['if-match', 'revision_number=1'],
    ['if-match', 'revision_number=x'],
    ['if-match', '*'],
    ['idempotency-key', 'k1'],
    ['idempotency-key', 'a b'],
    ['content-type', 'text/plain'],
    ['content-type', 'application/json; charset=latin1'],
    ['accept', 'text/html'],
    ['last-event-id', 'x'],
    ['x-project-id', 'q'],
    ['x-openstack-request-id', 'req-x'],
  ),
);

describe.each(STORES)('fuzz: requests of every kind, route and role, on %s', (store) => {
  const server = new TestServer('api: { quota_per_router: 10 }\n', { store });
  const tokens: Record<Role, string> = {
    admin: '',
    'member-p': '',
    'reader-p': '',
    'member-q': '',
    'reader-q': '',
    anonymous: '',
    forged: 'gAAAAABforged',
  };
  let routes: readonly RouteAccess[];
  let rows: AllRows;
  let bus: LocalBusClient;

  beforeAll(async () => {
    await server.start();
    tokens.admin = server.token;
    for (const [role, project] of ['member', 'reader'].flatMap((role) => PROJECTS.map((project) => [role, project] as const)))
      tokens[`${role}-${project}` as Role] = await server.newToken(role, project);
    routes = server.running.app.routeAccess;
    rows = await AllRows.open(server);
    bus = new LocalBusClient(paths(server.config).busSocket, realPorts);
    // An agent that answers what it is asked, so that nothing is unreachable.
    bus.serve(agentTopic('here'), (method) => {
      if (method === METHODS.plan) return { changes: [], foreign: [], table: null };
      return method === METHODS.reapply ? { connections: 0 } : [];
    });
    await eventually(async () => {
      const id = await server.newRouter({ host: 'here', netns: 'probe' });
      const { status } = await server.call('GET', `/v1/routers/${id}/plan`);
      await server.call('DELETE', `/v1/routers/${id}`);
      return status === 200;
    });
    for (const project of PROJECTS)
      for (let index = 0; index < 4; index++) await server.newRouter({ project_id: project, name: `secret-of-${project}` });
  }, 60_000);
  afterAll(async () => {
    await rows.close();
    await bus.close();
    await server.close();
  });

  const draft: fc.Arbitrary<Draft> = fc.record({
    route: fc.nat(1000),
    role: fc.constantFrom(...ROLES),
    ids: fc.tuple(anyId, anyId),
    query: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(parameter, { maxLength: 3 })),
    body,
    headers: fc.oneof(
      { weight: 4, arbitrary: fc.constant({}) },
      fc.array(header, { maxLength: 2 }).map((list) => Object.fromEntries(list)),
    ),
  });

  function send({ route, role, ids, query, body, headers }: Draft, before: Rows): { request: string; answer: Promise<Answer> } {
    const { method, url } = routes[route % routes.length] as RouteAccess;
    const pick = (id: Id, table: 'routers' | 'conntrack_helpers', parent?: unknown): string => {
      if ('text' in id) return id.text;
      const routersOf = before.routers.filter(({ project_id }) => project_id === id.of);
      const found =
        table === 'routers'
          ? routersOf
          : before.conntrack_helpers.filter(({ router_id }) =>
              parent === undefined ? routersOf.some((one) => one['id'] === router_id) : router_id === parent,
            );
      return String(found[id.index % Math.max(1, found.length)]?.['id'] ?? 'none');
    };
    const first = pick(ids[0], 'routers');
    const second = pick(ids[1], 'conntrack_helpers', ids[1] && 'index' in ids[1] && ids[1].index % 2 ? first : undefined);
    const encode = (text: string) => encodeURIComponent(text.replace(/[\ud800-\udfff]/gu, ''));
    const path = url
      .replace(':router', () => encode(first))
      .replace(':helper', () => encode(second))
      .replace(':id', () => encode(url.includes('/:router/') ? second : first))
      .replace(':alias', () => encode(second));
    const search = query.length === 0 ? '' : `?${query.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&')}`;
    const hasBody = method !== 'GET' && method !== 'HEAD';
    const answer = server.call(method, `${path}${search}`, hasBody ? body : undefined, {
      token: tokens[role],
      headers,
      abortAfterHeaders: true,
    });
    return { request: `${method} ${path}${search} by ${role} ${JSON.stringify(hasBody ? body : null)} ${JSON.stringify(headers)}`, answer };
  }

  /** What may not be in an answer to the principal of a project. */
  function foreignTo(project: string, before: Rows, request: string): string[] {
    const own = before.routers.filter(({ project_id }) => project_id === project).map(({ name }) => name);
    const others = before.routers.filter(({ project_id }) => project_id !== project);
    const foreign = others.map(({ id }) => String(id));
    // An admin may have given a router, with its name, to another project.
    const names = others.map(({ name }) => String(name)).filter((name) => name.startsWith('secret-of-') && !own.includes(name));
    const helpers = before.conntrack_helpers.filter(({ router_id }) => foreign.includes(String(router_id))).map(({ id }) => String(id));
    // An id that was sent is told back in an error, which says nothing of what it is.
    return [...foreign, ...helpers].filter((id) => !request.includes(id)).concat(names);
  }

  const ownRows = (all: Rows, project: string) => {
    const ids = new Set(all.routers.filter(({ project_id }) => project_id === project).map(({ id }) => id));
    return JSON.stringify([
      all.routers.filter(({ id }) => ids.has(id)),
      all.conntrack_helpers.filter(({ router_id }) => ids.has(router_id)),
    ]);
  };

  async function thinOut(all: Rows): Promise<void> {
    for (const { id, name } of all.routers.slice(0, Math.max(0, all.routers.length - MAX_ROUTERS)))
      if (!String(name).startsWith('secret-of')) await server.call('DELETE', `/v1/routers/${id}`);
  }

  it(`${RUNS} requests: never a 5xx, another project’s data, or a change without a 2xx`, { timeout: 3_600_000 }, async () => {
    const seen = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(draft, async (one) => {
        const before = await rows.read();
        const { request, answer } = send(one, before);
        const { status, text } = await answer;
        const after = await rows.read();
        const context = `${request}\n→ ${status} ${text.slice(0, 300)}`;
        seen.set(`${Math.floor(status / 100)}xx`, (seen.get(`${Math.floor(status / 100)}xx`) ?? 0) + 1);
        // No agent runs here, and /readyz says so.
        const isAnswered = status < 500 || (status === 503 && /^(GET|HEAD) \/readyz[ ?]/.test(request));
        expect(isAnswered, context).toBe(true);
        const isSafe = /^(GET|HEAD) /.test(request);
        if (status >= 300 || isSafe) expect(JSON.stringify(after), context).toBe(JSON.stringify(before));
        const project = one.role.split('-')[1];
        if (project !== undefined || one.role !== 'admin') {
          for (const secret of foreignTo(project ?? 'none', before, request))
            expect(text.includes(secret), `${context}\nhas ${secret}`).toBe(false);
          for (const other of PROJECTS.filter((name) => name !== project))
            expect(ownRows(after, other), context).toBe(ownRows(before, other));
        }
        if (one.role.startsWith('reader')) expect(JSON.stringify(after), context).toBe(JSON.stringify(before));
        if (after.routers.length > MAX_ROUTERS) await thinOut(after);
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
    // Requests that all fail would show nothing.
    expect(seen.get('2xx')).toBeGreaterThan(RUNS / 10);
    expect(seen.get('4xx')).toBeGreaterThan(RUNS / 10);
  });
});
