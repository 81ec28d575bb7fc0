import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { paths } from '../../src/config/config.ts';
import { STORES } from '../support/stores.ts';
import { TestServer } from '../support/test-server.ts';

const CLI = resolve(import.meta.dirname, '../../dist/pinhole/cli.js');
const run = promisify(execFile);
const FTP = { protocol: 'tcp', port: 21, helper: 'ftp' };

interface Verdict {
  ok: boolean;
  chains: { entries: number; problems: string[] }[];
}

describe.each(STORES)('audit, on %s', (store) => {
  const server = new TestServer('', { store });
  let router: string;

  beforeAll(async () => {
    await server.start();
    router = await server.newRouter({ project_id: 'p' });
    for (let port = 1; port <= 20; port++) await server.call('POST', `/v1/routers/${router}/helpers`, { ...FTP, port });
  });
  afterAll(() => server.close());

  async function pinhole(...argv: string[]): Promise<{ code: number; stdout: string }> {
    const env = { ...process.env, PINHOLE_URL: server.url, PINHOLE_TOKEN: server.token };
    return run(process.execPath, [CLI, ...argv], { env }).then(
      ({ stdout }) => ({ code: 0, stdout }),
      (error) => ({ code: error.code, stdout: error.stdout }),
    );
  }
  async function verify(...argv: string[]): Promise<Verdict & { code: number }> {
    const { code, stdout } = await pinhole('audit', 'verify', '--json', ...argv);
    return { code, ...JSON.parse(stdout) };
  }

  /** An intruder who can write to the database. */
  async function tamper(sql: string): Promise<void> {
    const { url } = server.config.server.database;
    if (url === null) {
      const database = new Database(paths(server.config).database);
      database.exec(sql);
      database.close();
      return;
    }
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(sql);
    await client.end();
  }

  it('records actor, action, target, state before and after, and request id', async () => {
    const { body, headers } = await server.call('PUT', `/v1/routers/${router}`, { name: 'renamed' });
    const { entries } = (await server.call('GET', `/v1/audit?target=${router}&action=update_router`)).body;
    expect(entries[0]).toMatchObject({
      actor: expect.stringMatching(/^token:[0-9a-f]{16}$/),
      action: 'update_router',
      target: router,
      project_id: 'p',
      request_id: headers.get('x-openstack-request-id'),
    });
    expect([JSON.parse(entries[0].before).name, JSON.parse(entries[0].after).name]).toEqual(['r', body.name]);
    expect((await pinhole('audit', 'list', '--target', router)).stdout).toContain('update_router');
  });

  it('contains no token and no hash of one', async () => {
    const token = await server.newToken('member', 'p');
    const { text } = await server.call('GET', '/v1/audit?limit=1000');
    expect(text).toContain('create_token');
    expect(text).not.toContain(token.slice(20));
    expect(text).not.toContain(server.token.slice(20));
    for (const secret of [token, server.token].map((whole) => whole.slice(20)))
      expect(text).not.toContain(createHash('sha256').update(secret).digest('hex'));
  });

  it('verifies if it is intact; a failed change leaves no entry', async () => {
    const before = (await server.call('GET', '/v1/audit?limit=1')).body.entries[0].seq;
    await server.call('POST', `/v1/routers/${router}/helpers`, { ...FTP, port: 1 });
    expect((await server.call('GET', '/v1/audit?limit=1')).body.entries[0].seq).toBe(before);
    expect(await verify()).toMatchObject({ code: 0, ok: true, chains: [{ problems: [] }] });
  });

  it('verifies after text that a database would store otherwise than it was hashed: such text is refused', async () => {
    const create = (fields: string) => server.call('POST', '/v1/tokens', undefined, { raw: `{"role":"member",${fields}}` });
    for (const text of ['p\\ud800', '\\udc00p', 'p\\ud800\\ud800', 'p\\u0000'])
      for (const fields of [`"project_id":"${text}"`, `"project_id":"p","description":"${text}"`])
        expect([fields, (await create(fields)).status]).toEqual([fields, 400]);
    for (const text of ['p\\ud83d\\ude00', 'p\\uffff', 'p\\u00e9', 'pe\\u0301'])
      expect([text, (await create(`"project_id":"${text}"`)).status]).toEqual([text, 201]);
    expect(await verify()).toMatchObject({ code: 0, ok: true, chains: [{ problems: [] }] });
  });

  it('can be read by admins only', async () => {
    const token = await server.newToken('member', 'p');
    for (const path of ['/v1/audit', '/v1/audit/chains']) expect((await server.call('GET', path, undefined, { token })).status).toBe(403);
    expect((await server.call('GET', '/v1/audit?after=5')).status).toBe(400);
    expect((await server.call('GET', '/v1/audit?limit=x')).status).toBe(400);
  });

  it('continues the same chain after a restart', async () => {
    await server.stop();
    await server.start();
    await server.call('PUT', `/v1/routers/${router}`, { name: 'after' });
    expect(await verify()).toMatchObject({ ok: true, chains: [{ problems: [] }] });
  });

  it('verify detects entries that were changed, removed, cut off or rebuilt in the database', async () => {
    const file = join(server.directory, 'heads.json');
    writeFileSync(file, (await pinhole('audit', 'heads')).stdout);
    expect((await verify('--heads', file)).ok).toBe(true);

    await tamper("update audit set actor = 'another' where seq = 5");
    expect(await verify()).toMatchObject({
      code: 1,
      ok: false,
      chains: [{ problems: ['entry 5 was changed: its hash does not match its content'] }],
    });
    const actor = (await server.call('GET', '/v1/audit?limit=1')).body.entries[0].actor;
    await tamper(`update audit set actor = '${actor}' where seq = 5`);
    expect((await verify()).ok).toBe(true);

    await tamper('create table kept as select * from audit where seq = 7');
    await tamper('delete from audit where seq = 7');
    expect((await verify()).chains[0]?.problems[0]).toBe('entry 7 is missing: 8 follows 6');
    await tamper('insert into audit select * from kept');
    expect((await verify()).ok).toBe(true);

    const { tail } = (await server.call('GET', '/v1/audit/chains')).body.chains[0];
    await tamper(`create table gone as select * from audit where seq = ${tail.seq}`);
    await tamper(`delete from audit where seq = ${tail.seq}`);
    expect((await verify('--heads', file)).chains[0]?.problems).toContainEqual(
      expect.stringMatching(/^a head was signed at entry \d+, but the last entry is \d+: the end was cut off$/),
    );
    await tamper('insert into audit select * from gone');
    expect((await verify('--heads', file)).ok).toBe(true);

    const heads = JSON.parse(readFileSync(file, 'utf8'));
    heads.heads[0].hash = 'f'.repeat(64);
    writeFileSync(file, JSON.stringify(heads));
    expect((await verify('--heads', file)).chains[0]?.problems).toContainEqual(expect.stringContaining('has an invalid signature'));
  });

  it('verifies after retention has deleted old entries', async () => {
    await tamper("update audit set at = '2020-01-01T00:00:00.000Z' where seq <= 10");
    expect(await server.running.clean()).toBeGreaterThanOrEqual(10);
    const { chains } = await verify();
    expect(chains[0]?.problems).toEqual([]);
    expect((await server.call('GET', '/v1/audit/chains')).body.chains[0].anchor.seq).toBe(10);
  });
});
