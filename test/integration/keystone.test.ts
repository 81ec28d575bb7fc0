import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeystoneIdentity, type KeystoneTransport } from '../../src/control/identity/keystone.ts';
import { eventually } from '../support/eventually.ts';
import { Keystone } from '../support/keystone.ts';
import { testPorts } from '../support/ports.ts';
import { TestServer } from '../support/test-server.ts';

const FTP = { conntrack_helper: { protocol: 'tcp', port: 21, helper: 'ftp' } };

describe('identity: a real Keystone', () => {
  const keystone = new Keystone();
  let server: TestServer;
  let projects: { one: string; two: string };
  const users: Record<string, { name: string; password: string; id: string }> = {};
  const tokens: Record<string, string> = {};

  beforeAll(async () => {
    await keystone.start();
    projects = { one: await keystone.addProject('one'), two: await keystone.addProject('two') };
    const service = await keystone.addProject('service');
    users['pinhole'] = await keystone.addUser('pinhole', { project: service, role: 'admin' });
    users['member'] = await keystone.addUser('member', { project: projects.one, role: 'member' });
    users['reader'] = await keystone.addUser('reader', { project: projects.one, role: 'reader' });
    users['stranger'] = await keystone.addUser('stranger', { project: projects.two, role: 'member' });
    users['service'] = await keystone.addUser('service', { project: projects.one, role: 'service' });
    for (const name of ['member', 'reader', 'service'])
      tokens[name] = (await keystone.token(users[name] as never, { project: 'one' })).text;
    tokens['stranger'] = (await keystone.token(users['stranger'] as never, { project: 'two' })).text;
    tokens['admin'] = (await keystone.adminToken()).text;
    server = new TestServer();
    const file = join(server.directory, 'password');
    writeFileSync(file, `${users['pinhole'].password}\n`, { mode: 0o600 });
    server = new TestServer(
      `identity:\n  mode: keystone\n  keystone:\n    auth_url: ${keystone.url}\n    username: pinhole\n    cache_seconds: 1\n    timeout_seconds: 10\n    password_file: ${file}\n`,
      { directory: server.directory },
    );
    await server.start();
  }, 120_000);
  afterAll(async () => {
    await server.close();
    await keystone.stop();
  });

  const as = (token: string, method: string, path: string, body?: unknown) =>
    server.call(method, path, body, { token: '', headers: { 'x-auth-token': token } });
  const by = (name: string, method: string, path: string, body?: unknown) => as(tokens[name] as string, method, path, body);

  it('lets members change and readers read resources of their project, and shows strangers nothing', async () => {
    const made = await by('member', 'POST', '/v2.0/routers', { router: { name: 'mine' } });
    expect(made).toMatchObject({ status: 201, body: { router: { project_id: projects.one } } });
    const helpers = `/v2.0/routers/${made.body.router.id}/conntrack_helpers`;
    expect((await by('member', 'POST', helpers, FTP)).status).toBe(201);
    expect((await by('reader', 'GET', helpers)).body.conntrack_helpers).toHaveLength(1);
    expect((await by('reader', 'POST', helpers, FTP)).status).toBe(403);
    expect((await by('stranger', 'GET', helpers)).body).toEqual({ conntrack_helpers: [] });
    expect((await by('stranger', 'GET', `/v2.0/routers/${made.body.router.id}`)).status).toBe(404);
    expect((await by('admin', 'GET', '/v2.0/routers')).body.routers).toHaveLength(1);
  });

  it('denies the service role, and tokens without a project scope', async () => {
    expect((await by('service', 'GET', '/v2.0/routers')).body).toEqual({ routers: [] });
    expect((await by('service', 'POST', '/v2.0/routers', { router: {} })).status).toBe(403);
    const unscoped = await keystone.token(users['member'] as never, 'unscoped');
    expect((await as(unscoped.text, 'GET', '/v2.0/routers')).body).toEqual({ routers: [] });
    expect((await as(unscoped.text, 'POST', '/v2.0/routers', { router: {} })).status).toBe(403);
    expect((await as(unscoped.text, 'GET', '/v1/audit')).status).toBe(403);
  });

  it('lets system scope read all projects, and change nothing, an admin’s too', async () => {
    const { text } = await keystone.adminToken('system');
    expect((await as(text, 'GET', '/v2.0/routers')).body.routers).toHaveLength(1);
    expect((await as(text, 'GET', '/v1/agents')).status).toBe(200);
    expect((await as(text, 'POST', '/v2.0/routers', { router: {} })).status).toBe(403);
    expect((await as(text, 'GET', '/v1/audit')).status).toBe(403);
    expect((await as(text, 'GET', '/v1/tokens')).status).toBe(403);
  });

  it('answers a missing or wrong token with 401 and the URL of Keystone', async () => {
    for (const token of [
      '',
      'nonsense',
      `${tokens['member']}x`,
      (tokens['member'] as string).slice(0, -4),
      server.token,
      '../auth/tokens',
    ]) {
      const { status, headers, body } = await as(token, 'GET', '/v2.0/routers');
      expect([status, headers.get('www-authenticate')]).toEqual([401, `Keystone uri="${keystone.url}"`]);
      expect(body).toEqual({ error: { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' } });
    }
  });

  it('refuses a revoked token, and a disabled user’s, within the configured time', async () => {
    const { text } = await keystone.token(users['member'] as never, { project: 'one' });
    expect((await as(text, 'GET', '/v2.0/routers')).status).toBe(200);
    await keystone.call('DELETE', '/auth/tokens', undefined, { 'x-subject-token': text });
    await eventually(async () => (await as(text, 'GET', '/v2.0/routers')).status === 401, { timeoutMs: 10_000 });
    const temporary = await keystone.addUser('temporary', { project: projects.one, role: 'member' });
    const theirs = (await keystone.token(temporary, { project: 'one' })).text;
    expect((await as(theirs, 'GET', '/v2.0/routers')).status).toBe(200);
    await keystone.call('PATCH', `/users/${temporary.id}`, { user: { enabled: false } });
    await eventually(async () => (await as(theirs, 'GET', '/v2.0/routers')).status === 401, { timeoutMs: 10_000 });
  });

  it('the audit names the user and contains no token', async () => {
    const { body, text } = await by('admin', 'GET', '/v1/audit?action=create_router');
    expect(body.entries[0].actor).toBe(`keystone:${users['member']?.id}`);
    for (const token of Object.values(tokens)) expect(text).not.toContain(token);
  });

  it('refuses requests while Keystone is down, and serves them when it is back', async () => {
    await keystone.halt();
    for (const name of ['member', 'admin']) await eventually(async () => (await by(name, 'GET', '/v2.0/routers')).status === 503);
    const refused = await by('admin', 'GET', '/v2.0/routers');
    expect(refused).toMatchObject({ status: 503, body: { message: 'The Keystone service is temporarily unavailable.' } });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect((await by('admin', 'GET', '/v1/audit')).status).toBe(503);
    await keystone.launch();
    await eventually(async () => (await by('member', 'GET', '/v2.0/routers')).status === 200, { timeoutMs: 10_000 });
  });
});

describe('identity: a Keystone that misbehaves', () => {
  const options = {
    authUrl: 'http://keystone/v3',
    username: 'u',
    password: 'p',
    userDomain: 'Default',
    project: 'service',
    projectDomain: 'Default',
    cacheSeconds: 60,
    timeoutSeconds: 1,
    ca: null,
  };
  const future = '2100-01-01T00:00:00.000000Z';
  const service = {
    status: 201,
    headers: { 'x-subject-token': 'own' },
    body: JSON.stringify({ token: { user: { id: 's' }, expires_at: future } }),
  };
  const valid = {
    status: 200,
    headers: {},
    body: JSON.stringify({ token: { user: { id: 'u' }, project: { id: 'p' }, roles: [{ name: 'member' }], expires_at: future } }),
  };

  /** Answers validations one after the other, the last one again and again. */
  function identity(...answers: (Awaited<ReturnType<KeystoneTransport>> | Error)[]) {
    const asked: string[] = [];
    const ports = testPorts();
    const send: KeystoneTransport = async ({ method }) => {
      asked.push(method);
      if (method === 'POST') return service;
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer instanceof Error) throw answer;
      return answer as Awaited<ReturnType<KeystoneTransport>>;
    };
    const subject = new KeystoneIdentity(options, send, ports);
    return { asked, ask: (token = 't') => subject.authenticate({ token, requestId: 'q' }), clock: ports.clock };
  }

  it('repeats an unanswered request, and then refuses the token', async () => {
    const flaky = identity(new Error('reset'), { ...valid, status: 503 }, valid);
    const asking = flaky.ask();
    await flaky.clock.advance(300);
    expect((await asking).roles).toEqual(['member']);
    const down = identity(new Error('refused'));
    const refused = expect(down.ask()).rejects.toMatchObject({ code: 'identity-unavailable' });
    await down.clock.advance(300);
    await refused;
    expect(down.asked.filter((method) => method === 'GET')).toHaveLength(3);
  });

  it('gets a new service token if its own is refused, once', async () => {
    const expired = identity({ ...valid, status: 401 }, valid);
    expect((await expired.ask()).projectId).toBe('p');
    expect(expired.asked).toEqual(['POST', 'GET', 'POST', 'GET']);
    await expect(identity({ ...valid, status: 401 }).ask()).rejects.toMatchObject({ code: 'identity-unavailable' });
  });

  it('sends one validation for concurrent requests with one token, and none while the answer is cached', async () => {
    const at = identity(valid);
    await Promise.all(Array.from({ length: 50 }, () => at.ask()));
    expect(at.asked.filter((method) => method === 'GET')).toHaveLength(1);
    await at.clock.advance(59_000);
    await at.ask();
    expect(at.asked.filter((method) => method === 'GET')).toHaveLength(1);
    await at.clock.advance(2_000);
    await at.ask();
    expect(at.asked.filter((method) => method === 'GET')).toHaveLength(2);
  });

  it('refuses an expired token, cached or not', async () => {
    const body = JSON.parse(valid.body);
    body.token.expires_at = '2026-01-01T00:00:10.000000Z';
    const at = identity({ ...valid, body: JSON.stringify(body) });
    await at.ask();
    await at.clock.advance(11_000);
    await expect(at.ask()).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it.each(['', 'null', '{}', '{"token":{}}', '{"token":{"user":{"id":5},"expires_at":"x"}}', '<html>'])(
    'refuses the token after an answer like %s',
    async (body) => {
      await expect(identity({ ...valid, body }).ask()).rejects.toThrow();
    },
  );

  it('does not send malformed tokens to Keystone', async () => {
    const at = identity(valid);
    for (const token of ['', 'a b', 'a\nx-auth-token: b', 'ä', 'x'.repeat(10_000)])
      await expect(at.ask(token)).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(at.asked).toEqual([]);
  });
});
