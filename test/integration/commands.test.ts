import { execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { STORES } from '../support/stores.ts';
import { TestServer } from '../support/test-server.ts';

const CLI = resolve(import.meta.dirname, '../../dist/pinhole/cli.js');
const run = promisify(execFile);

describe.each(STORES)('commands of a server’s administration, on %s', (store) => {
  const server = new TestServer('', { store });
  beforeAll(async () => {
    await server.start();
  });
  afterAll(() => server.close());

  const environment = () => ({ ...process.env, PINHOLE_URL: server.url, PINHOLE_TOKEN: server.token });
  const pinhole = (...argv: string[]) =>
    run(process.execPath, [CLI, ...argv], { env: environment() }).then(
      ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    );

  it('quota: shows use and limits, sets limits, and restores the configured ones', async () => {
    await server.newRouter({ project_id: 'p' });
    expect((await pinhole('quota', 'show', 'p')).stdout).toBe(
      'WHAT               USED  LIMIT\nrouters            1     none\nconntrack helpers  0     none\n',
    );
    expect(JSON.parse((await pinhole('quota', 'set', 'p', '--helpers', '7', '--json')).stdout)).toEqual({
      project_id: 'p',
      routers: { used: 1, limit: -1 },
      helpers: { used: 0, limit: 7 },
    });
    expect((await pinhole('quota', 'set', 'p', '--routers', '1')).stdout).toContain(
      'routers            1     1\nconntrack helpers  0     7',
    );
    expect((await pinhole('quota', 'set', 'p', '--routers', 'default', '--helpers', 'none')).stdout).not.toMatch(/ [17]$/m);
    expect(await pinhole('quota', 'set', 'p', '--routers', 'x')).toMatchObject({
      code: 2,
      stderr: "pinhole: --routers: 'x' is not a number, 'none' or 'default'.\n",
    });
  });

  it('events: prints each event as it happens, until it is interrupted', async () => {
    const lines: string[] = [];
    const child = spawn(process.execPath, [CLI, 'events', '--after', '0'], { env: environment() });
    child.stdout.setEncoding('utf8').on('data', (chunk) => lines.push(...chunk.split('\n').filter(Boolean)));
    const id = await server.newRouter({ name: 'followed' });
    await eventually(() => lines.some((line) => line.includes(`create_router ${id}`)));
    const closed = new Promise((done) => child.once('close', done));
    child.kill('SIGINT');
    expect(await closed).toBe(0);
  });

  it('plan: a router that no agent serves is an error that says why, with its exit status', async () => {
    await server.newRouter({ name: 'lonely' });
    expect(await pinhole('plan', 'lonely')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^pinhole: No agent serves router .*: it has no host\.\n$/),
    });
    expect((await pinhole('plan')).code).toBe(0);
    expect((await pinhole('plan', 'nosuch')).code).toBe(3);
  });

  it('db migrate: leaves a database that is at this version unchanged', async () => {
    const config = join(server.directory, 'pinhole.yaml');
    const first = await pinhole('db', 'migrate', '--config', config, '--data-dir', server.directory);
    expect(first).toMatchObject({ code: 0, stdout: 'the database is already at this version\n' });
    writeFileSync(join(server.directory, 'bad.yaml'), 'database: { url: mysql://x }\n');
    expect(await pinhole('db', 'migrate', '--config', join(server.directory, 'bad.yaml'), '--data-dir', server.directory)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('It is like postgresql://'),
    });
    writeFileSync(join(server.directory, 'gone.yaml'), 'database: { url: "postgresql://x@127.0.0.1:1/x" }\n');
    expect((await pinhole('db', 'migrate', '--config', join(server.directory, 'gone.yaml'), '--data-dir', server.directory)).code).toBe(5);
  });
});

describe('commands, when the answer of a server', () => {
  const ROUTER = {
    id: '11111111-1111-4111-8111-111111111111',
    name: 'edge',
    description: '',
    project_id: 'p',
    host: 'h',
    netns: 'n',
    revision: 1,
    confine: false,
    created_at: '2030-01-31T12:00:00.000Z',
    updated_at: '2030-01-31T12:00:00.000Z',
  };
  const STATUS = { router: ROUTER, reason: '', reported_at: null, reported_revision: null, drifts: 0, helpers: [] };
  let answer: string;
  const stub = createServer((_request, response) => response.end(answer));
  beforeAll(() => new Promise<void>((done) => stub.listen(0, '127.0.0.1', done)));
  afterAll(() => new Promise((done) => stub.close(done)));

  const pinhole = (body: string, argv: readonly string[]) => {
    answer = body;
    const env = { ...process.env, PINHOLE_URL: `http://127.0.0.1:${(stub.address() as AddressInfo).port}`, PINHOLE_TOKEN: 'x' };
    return run(process.execPath, [CLI, ...argv], { env }).then(
      ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    );
  };

  it.each([
    ['is not JSON', ['router', 'list'], '<html>', /^The server's answer is not JSON: /],
    ['is not an object', ['router', 'list'], '[]', /^answer: expected an object$/],
    ['has no list', ['router', 'list'], '{}', /^answer\.routers: expected a list$/],
    ['has null in a list', ['token', 'list'], '{"tokens":[null]}', /^answer\.tokens\[0\]: expected an object$/],
    ['has a number for a text', ['quota', 'show', 'p'], '{"project_id":7}', /^answer\.project_id: expected the id of a project$/],
    [
      'lacks a status',
      ['status'],
      JSON.stringify({ routers: [{ ...STATUS, reason: 7 }] }),
      /^answer\.routers\[0\]\.reason: expected a reason$/,
    ],
    ['has no chains', ['audit', 'verify'], '{"chains":{}}', /^answer\.chains: expected a list$/],
  ] as const)('%s, they report an invalid message that names the place, without a stack', async (_what, argv, body, message) => {
    const { code, stdout } = await pinhole(body, [...argv, '--json']);
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'invalid-message', message: expect.stringMatching(message), details: expect.anything() },
    });
    expect(code).toBe(1);
    expect((await pinhole(body, argv)).stderr.trimEnd()).toMatch(new RegExp(`^pinhole: ${message.source.slice(1)}`));
  });

  it('has fields of a newer server, they ignore them at any depth, and print them with --json', async () => {
    const newer = { ...STATUS, router: { ...ROUTER, colour: 'red' }, mood: 'fine' };
    const body = JSON.stringify({ routers: [newer], page: 1, agents: [] });
    expect((await pinhole(body, ['status'])).stdout).toMatch(/^0 helpers.*\n\nROUTER .*\nedge +- +- +- +- +-\n {2}no helpers\n$/);
    expect(JSON.parse((await pinhole(body, ['status', '--json'])).stdout)).toEqual([newer]);
  });
});
