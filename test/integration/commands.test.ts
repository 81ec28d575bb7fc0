import { execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { STORES } from '../support/stores.ts';
import { TestServer } from '../support/test-server.ts';

const CLI = resolve(import.meta.dirname, '../../dist/src/cli.js');
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

  it('quota: shows what is used, sets limits, and back to the configured ones', async () => {
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

  it('events: follows them, for people and for programs, until it is told to stop', async () => {
    const lines: string[] = [];
    const child = spawn(process.execPath, [CLI, 'events', '--after', '0'], { env: environment() });
    child.stdout.setEncoding('utf8').on('data', (chunk) => lines.push(...chunk.split('\n').filter(Boolean)));
    const id = await server.newRouter({ name: 'followed' });
    await eventually(() => lines.some((line) => line.includes(`create_router ${id}`)));
    const closed = new Promise((done) => child.once('close', done));
    child.kill('SIGINT');
    expect(await closed).toBe(0);
  });

  it('plan: a router that no host serves is an error that says why, with its exit status', async () => {
    await server.newRouter({ name: 'lonely' });
    expect(await pinhole('plan', 'lonely')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^pinhole: No agent serves router .*: it has no host\.\n$/),
    });
    expect((await pinhole('plan')).code).toBe(0);
    expect((await pinhole('plan', 'nosuch')).code).toBe(3);
  });

  it('db migrate: a database that is at this version stays as it is', async () => {
    const config = join(server.directory, 'pinhole.yaml');
    const first = await pinhole('db', 'migrate', '--config', config, '--data-dir', server.directory);
    expect(first).toMatchObject({ code: 0, stdout: 'the database is at this version already\n' });
    writeFileSync(join(server.directory, 'bad.yaml'), 'database: { url: mysql://x }\n');
    expect(await pinhole('db', 'migrate', '--config', join(server.directory, 'bad.yaml'), '--data-dir', server.directory)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('It is like postgresql://'),
    });
    writeFileSync(join(server.directory, 'gone.yaml'), 'database: { url: "postgresql://x@127.0.0.1:1/x" }\n');
    expect((await pinhole('db', 'migrate', '--config', join(server.directory, 'gone.yaml'), '--data-dir', server.directory)).code).toBe(5);
  });
});
