import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Agent } from '../../src/agent/agent.ts';
import { ServerClient } from '../../src/agent/server-client.ts';
import { LocalBusClient } from '../../src/bus/local.ts';
import { paths } from '../../src/config/config.ts';
import { FakeKernel } from '../../src/kernel/fake/fake-kernel.ts';
import { agentTopic, METHODS } from '../../src/wire/topics.ts';
import { eventually } from '../support/eventually.ts';
import { realPorts } from '../support/ports.ts';
import { TestServer } from '../support/test-server.ts';

const CLI = resolve(import.meta.dirname, '../../dist/pinhole/cli.js');
const run = promisify(execFile);
const FTP = { protocol: 'tcp', port: 21, helper: 'ftp' };
const LATER = '2999-01-01T00:00:00.000Z';
const BEYOND_RFC_3339 = '+010000-01-01T00:00:00Z';

/** An agent on a fake kernel, at the embedded bus of a server. */
class ConnectedAgent {
  readonly kernel = new FakeKernel();
  readonly #directory = mkdtempSync(join(tmpdir(), 'phf-'));
  readonly #bus: LocalBusClient;
  readonly #agent: Agent;

  constructor(server: TestServer, host: string) {
    this.#bus = new LocalBusClient(paths(server.config).busSocket, realPorts);
    this.#agent = new Agent({
      host,
      version: 'test',
      kernel: this.kernel,
      source: new ServerClient(this.#bus, host),
      ...realPorts,
      statePath: join(this.#directory, 'desired.json'),
      resyncSeconds: 3600,
      checkSeconds: 3600,
      reportSeconds: 3600,
      firstPullSeconds: 3600,
      maxStateAgeSeconds: 3600,
      holdRemovalsPercent: 25,
      keepLive: false,
    });
    this.#agent.start();
  }

  async close(): Promise<void> {
    await this.#agent.close();
    await this.#bus.close();
    rmSync(this.#directory, { recursive: true });
  }
}

/** The statuses of a router's helpers over IPv4, by port, as the API shows them. */
async function statuses(server: TestServer, router: string): Promise<Record<string, { status: string; reason: string }>> {
  const { body } = await server.call('GET', `/v1/status/${router}`);
  return Object.fromEntries(body.helpers.map(({ port, families }: { port: number; families: object[] }) => [port, families[0]]));
}

describe('finding 1: one tenant’s entity stops nothing of another tenant on the same host', () => {
  const server = new TestServer('api: { quota_per_router: -1 }\n');
  let agent: ConnectedAgent;

  beforeAll(async () => {
    await server.start();
    agent = new ConnectedAgent(server, 'h');
    for (const netns of ['theirs', 'mine', 'many']) agent.kernel.addNamespace(netns);
  });
  afterAll(async () => {
    await agent.close();
    await server.close();
  });

  const served = (netns: string, project_id: string) => server.newRouter({ netns, host: 'h', project_id });
  const addHelper = (router: string, fields: object) => server.call('POST', `/v1/routers/${router}/helpers`, { ...FTP, ...fields });
  const active = (router: string, port: number) =>
    eventually(async () => (await statuses(server, router))[port]?.status === 'ACTIVE', { what: `port ${port} of ${router} is ACTIVE` });

  it('1a: a time that RFC 3339 cannot write is refused, and one that a database holds already costs its own helper only', async () => {
    const [theirs, mine] = [await served('theirs', 'p1'), await served('mine', 'p2')];
    const refused = await addHelper(theirs, { expires_at: BEYOND_RFC_3339 });
    expect([refused.status, refused.body.error]).toMatchObject([400, { code: 'invalid-input', details: { field: 'expires_at' } }]);
    const bad = (await addHelper(theirs, { port: 2121, expires_at: LATER })).body.id;
    const database = new Database(paths(server.config).database);
    database.prepare('update conntrack_helpers set expires_at = ? where id = ?').run(BEYOND_RFC_3339, bad);
    database.close();
    await addHelper(theirs, {});
    await addHelper(mine, {});
    await active(theirs, 21);
    await active(mine, 21);
    await eventually(async () => (await statuses(server, theirs))['2121']?.status === 'ERROR');
    expect((await statuses(server, theirs))['2121']?.reason).toMatch(/cannot be read: .*expires_at: expected a time/);
    await addHelper(mine, { port: 2122 });
    await active(mine, 2122);
    expect((await server.call('GET', `/v1/status/${mine}`)).body.reason).toBe('');
    for (const router of [theirs, mine]) await server.call('DELETE', `/v1/routers/${router}`);
  });

  it('1b: a name too long in bytes, or ill-formed, is refused by both dialects, and others get their changes', async () => {
    const mine = await served('mine', 'p2');
    for (const name of ['😀'.repeat(200), 'half \ud83d of a character']) {
      const native = await server.call('POST', '/v1/routers', { name, netns: 'theirs', host: 'h' });
      expect([native.status, native.body.error]).toMatchObject([400, { code: 'invalid-input', details: { field: 'name' } }]);
      const neutron = await server.call('POST', '/v2.0/routers', { router: { name, netns: 'theirs', host: 'h' } });
      expect([neutron.status, neutron.body.NeutronError.message]).toEqual([400, expect.stringContaining('name')]);
    }
    const longest = `${'😀'.repeat(63)}abc`;
    const theirs = await server.newRouter({ name: longest, netns: 'theirs', host: 'h' });
    await addHelper(theirs, {});
    await addHelper(mine, {});
    await active(theirs, 21);
    await active(mine, 21);
    for (const router of [theirs, mine]) await server.call('DELETE', `/v1/routers/${router}`);
  });

  it('1c: as many helpers as a router may have reach the agent whole; one more is refused as a quota', async () => {
    const [many, mine] = [await served('many', 'p1'), await served('mine', 'p2')];
    const create = (from: number, count: number) =>
      server.call('POST', `/v2.0/routers/${many}/conntrack_helpers`, {
        conntrack_helpers: Array.from({ length: count }, (_, index) => ({ ...FTP, port: from + index })),
      });
    for (const [from, count] of [
      [1, 900],
      [901, 106],
      [1_007, 994],
    ] as const) {
      expect((await create(from, count)).status).toBe(201);
      await active(many, from + count - 1);
    }
    const map = agent.kernel
      .table('many')
      ?.chains.flatMap(({ rules }) => rules.flatMap(({ action }) => (action.kind === 'map-helper' ? action.entries : [])));
    expect(map?.length).toBe(2_000);
    expect((await addHelper(many, { port: 3_000 })).body.error).toMatchObject({ code: 'quota-exceeded' });
    await addHelper(mine, {});
    await active(mine, 21);
  });
});

describe('finding 2: what export writes, apply reads back', () => {
  const server = new TestServer();
  const folder = mkdtempSync(join(tmpdir(), 'phm-'));
  beforeAll(async () => {
    await server.start();
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  const pinhole = async (...argv: string[]) =>
    (await run(process.execPath, [CLI, ...argv], { env: { ...process.env, PINHOLE_URL: server.url, PINHOLE_TOKEN: server.token } })).stdout;
  const written = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  it('keeps the ports and rate of confine, the description, and each time to live', async () => {
    const confine = { blocked_ports: [4444, 31337], rate_per_second: 7 };
    const made = await server.call('POST', '/v1/routers', { name: 'edge', netns: 'n', host: 'h', description: 'the first', confine });
    await server.call('POST', `/v1/routers/${made.body.id}/helpers`, { ...FTP, expires_at: LATER });
    const file = written('export.yaml', await pinhole('export'));
    expect(await pinhole('apply', '-f', file)).toBe('nothing to change\n');
    await server.call('DELETE', `/v1/routers/${made.body.id}`);
    await pinhole('apply', '-f', file);
    const [router] = (await server.call('GET', '/v1/routers')).body.routers;
    expect(router).toMatchObject({ name: 'edge', netns: 'n', host: 'h', description: 'the first', confine });
    const { helpers } = (await server.call('GET', `/v1/routers/${router.id}/helpers`)).body;
    expect(helpers).toMatchObject([{ ...FTP, expires_at: LATER }]);
    expect(parse(await pinhole('export'))).toEqual(parse(await pinhole('export', '--json')));
  });

  it('applies every document of a file', async () => {
    const file = written(
      'two.yaml',
      'routers: [{ name: one, netns: n1 }]\n---\nrouters: [{ name: two, netns: n2, helpers: [{ helper: ftp }] }]\n',
    );
    await pinhole('apply', '-f', file);
    const names = (await server.call('GET', '/v1/routers')).body.routers.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(['one', 'two']));
  });
});

describe('finding 3: an answer of an agent that is garbled is an error, and is not served', () => {
  const server = new TestServer();
  let bus: LocalBusClient;
  let router: string;
  let helper: string;
  const answers = new Map<string, unknown>();

  beforeAll(async () => {
    await server.start();
    bus = new LocalBusClient(paths(server.config).busSocket, realPorts);
    bus.serve(agentTopic('h'), (method) => answers.get(method) ?? null);
    router = await server.newRouter({ netns: 'n', host: 'h' });
    helper = (await server.call('POST', `/v1/routers/${router}/helpers`, FTP)).body.id;
    answers.set(METHODS.expectations, []);
    await eventually(async () => (await server.call('GET', `/v1/routers/${router}/expectations`)).status === 200);
  });
  afterAll(async () => {
    await bus.close();
    await server.close();
  });

  const expectation = { helper: 'ftp', protocol: 'tcp', source: '192.0.2.1', destination: '192.0.2.2', port: 1, master: null };
  it.each([
    ['expectations', METHODS.expectations, { expectations: 'x' }],
    ['expectations', METHODS.expectations, [expectation]],
    ['expectations', METHODS.expectations, null],
    ['plan', METHODS.plan, { changes: [], foreign: [], table: 7 }],
    ['plan', METHODS.plan, { changes: [{ change: 'explode' }], foreign: [], table: null }],
    ['plan', METHODS.plan, null],
  ])('GET …/%s, where %s is answered with %j', async (path, method, answer) => {
    answers.set(method, answer);
    const { status, body } = await server.call('GET', `/v1/routers/${router}/${path}`);
    expect([status, body]).toMatchObject([
      400,
      { error: { code: 'invalid-message', details: { field: expect.stringContaining(method) } } },
    ]);
  });

  it.each([null, {}, { connections: -1 }, { connections: '3' }, { connections: 1, more: 2 }])(
    'reapply, answered with %j',
    async (answer) => {
      answers.set(METHODS.reapply, answer);
      const { status, body } = await server.call('POST', `/v1/routers/${router}/helpers/${helper}/reapply`);
      expect([status, body]).toMatchObject([400, { error: { code: 'invalid-message' } }]);
    },
  );
});

describe('finding 4: a time to live ends whatever the policy says of administrators', () => {
  it('a helper is removed under a policy file that redefines context_is_admin', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'php-'));
    const file = join(folder, 'policy.yaml');
    writeFileSync(file, '{}\n');
    const server = await new TestServer(`policy_file: ${file}\n`).start();
    const database = new Database(paths(server.config).database);
    try {
      const router = await server.newRouter();
      const helper = (await server.call('POST', `/v1/routers/${router}/helpers`, { ...FTP, expires_at: LATER })).body.id;
      writeFileSync(file, 'context_is_admin: "role:cloud_admin"\n');
      server.running.reload();
      expect((await server.call('DELETE', `/v1/routers/${router}/helpers/${helper}`)).status).toBe(404);
      database.prepare('update conntrack_helpers set expires_at = ?').run(new Date().toISOString());
      const left = database.prepare('select count(*) from conntrack_helpers').pluck();
      await eventually(() => left.get() === 0, { what: 'the helper is removed', timeoutMs: 20_000 });
    } finally {
      database.close();
      await server.close();
      rmSync(folder, { recursive: true });
    }
  });
});
