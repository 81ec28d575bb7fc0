import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePorts } from '../support/rabbitmq.ts';
import { type Ended, pinhole, Started } from '../support/started.ts';

const CONFIG = "host: here\nkernel: { namespaces: ['phstart-*'], host_namespace: false }\nagent: { listen: '127.0.0.1:0' }\n";
const LOCAL = 'listen: 127.0.0.1:0\n';

/** The lines for people: logs are JSON. */
function said({ stderr }: Ended): string[] {
  return stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{') && !line.startsWith('pinhole is starting'));
}

describe('starting and running', () => {
  let directory = '';
  const running: Started[] = [];
  const listening: Server[] = [];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'phstart-'));
    chmodSync(directory, 0o755);
  });
  afterEach(async () => {
    for (const each of running.splice(0)) await each.stop();
    for (const server of listening.splice(0)) await new Promise((done) => server.close(done));
    rmSync(directory, { recursive: true, force: true });
  });

  function start(...argv: string[]): Started {
    const started = new Started(argv, { cwd: directory });
    running.push(started);
    return started;
  }

  function write(name: string, text: string): void {
    mkdirSync(join(directory, name, '..'), { recursive: true });
    writeFileSync(join(directory, name), text);
  }

  async function takenPort(): Promise<number> {
    const server = createServer();
    listening.push(server);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', () => done()));
    return (server.address() as { port: number }).port;
  }

  const here = (data = 'data') => ['--config', join(directory, 'here.yaml'), '--data-dir', join(directory, data)];
  const endpoint = (data = 'data') => existsSync(join(directory, data, 'run/server/endpoint'));

  it('takes relative --config and --data-dir from the folder of the caller', async () => {
    write('here.yaml', CONFIG + LOCAL);
    await start('up', '--config', 'here.yaml', '--data-dir', 'data').ready(() => endpoint());
    expect(existsSync(join(directory, 'data/admin-token'))).toBe(true);
    expect((await pinhole(['router', 'list'], { cwd: directory, env: { PINHOLE_DATA_DIR: 'data' } })).code).toBe(0);
  });

  it('takes relative paths of the configuration from the folder of the file, and clients find the data folder there', async () => {
    write('conf/pinhole.yaml', `${CONFIG}${LOCAL}data_dir: ../data\npolicy_file: policy.yaml\n`);
    write('conf/policy.yaml', 'delete_router: "!"\n');
    await start('up', '--config', 'conf/pinhole.yaml').ready(() => endpoint());
    const config = join(directory, 'conf/pinhole.yaml');
    expect(await pinhole(['router', 'add', 'edge', '--config', config])).toMatchObject({ code: 0 });
    expect((await pinhole(['router', 'list'], { env: { PINHOLE_CONFIG: config } })).stdout).toContain('edge');
    expect((await pinhole(['router', 'rm', 'edge'], { env: { PINHOLE_CONFIG: config } })).code).toBe(4);
    // A mistake elsewhere in the file does not keep clients from the server that runs.
    write('conf/pinhole.yaml', 'data_dir: ../data\nnonsense: true\n');
    expect((await pinhole(['router', 'list', '--config', config])).stdout).toContain('edge');
  });

  it.each([
    ['listen', (port: number) => `${CONFIG}listen: 127.0.0.1:${port}\n`],
    ['agent.listen', (port: number) => CONFIG.replace('127.0.0.1:0', `127.0.0.1:${port}`) + LOCAL],
  ])('a port of %s that is in use ends everything with one line and exit status 2', async (field, config) => {
    const port = await takenPort();
    write('here.yaml', config(port));
    const up = start('up', ...here());
    let seen: number[] = [];
    await up.ready(() => {
      seen = up.children();
      return seen.length > 0;
    });
    const ended = await up.ended();
    expect([ended.code, said(ended)]).toEqual([
      2,
      [`pinhole: ${field}: cannot listen on 127.0.0.1:${port}: another process listens there. Stop it, or choose another address.`],
    ]);
    expect(seen.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
  });

  it('configuration that a process refuses ends the supervisor with one line and exit status 2', async () => {
    write('here.yaml', `${CONFIG}${LOCAL}policy_file: missing.yaml\n`);
    const ended = await start('up', ...here()).ended();
    expect([ended.code, said(ended).length]).toEqual([2, 1]);
    expect(said(ended)[0]).toContain(join(directory, 'missing.yaml'));
    expect(await pinhole(['up', '--config', 'nosuch.yaml'], { cwd: directory })).toMatchObject({
      code: 2,
      stderr: `pinhole: ${join(directory, 'nosuch.yaml')}: there is no such file.\n`,
    });
    expect((await pinhole(['up', '--config', '.'], { cwd: directory })).stderr).toBe(`pinhole: ${directory} cannot be read (EISDIR).\n`);
  });

  it('a server that cannot start leaves no process behind, whatever it has opened', async () => {
    const port = await takenPort();
    // Nothing answers at that bus: the connection is tried again and again.
    write('here.yaml', `host: here\nlisten: 127.0.0.1:${port}\nbus: { url: 'amqp://x:y@127.0.0.1:1/' }\n`);
    const ended = await start('server', ...here()).ended();
    expect(ended.code).toBe(2);
    expect(said(ended).at(-1)).toContain('another process listens there');
  });

  it('a server that root starts runs as its user, and token init works afterwards', async () => {
    write('here.yaml', CONFIG + LOCAL);
    const server = start('server', ...here());
    await server.ready(() => endpoint());
    const [pid] = server.children();
    const uid = Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    expect(uid).toBeGreaterThan(0);
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^CapBnd:\s+0{16}$/m);
    await server.stop();
    const files = readdirSync(join(directory, 'data/server')).map((name) => statSync(join(directory, 'data/server', name)).uid);
    expect(new Set(files)).toEqual(new Set([uid]));
    expect(await pinhole(['token', 'init', ...here()])).toMatchObject({ code: 0 });
  });

  it('token init gives the files of an earlier start as root to the server', async () => {
    write('here.yaml', CONFIG + LOCAL);
    const argv = here();
    const first = start('server', ...argv);
    await first.ready(() => endpoint());
    await first.stop();
    const folder = join(directory, 'data/server');
    for (const name of ['', ...readdirSync(folder)]) chownSync(join(folder, name), 0, 0);
    rmSync(join(directory, 'data/run/server/endpoint'));
    expect(await pinhole(['token', 'init', ...argv])).toMatchObject({ code: 0 });
    await start('server', ...argv).ready(() => endpoint());
    expect((await pinhole(['router', 'list'], { cwd: directory, env: { PINHOLE_DATA_DIR: 'data' } })).code).toBe(0);
  });

  it('warns where other machines can reach an API without TLS, and only there', async () => {
    const [port = 0] = await freePorts(1);
    write('here.yaml', CONFIG);
    const warning = 'other machines can reach the API and TLS is off';
    for (const any of ['0.0.0.0', '[::]']) {
      const open = start('server', ...here(), '--listen', `${any}:${port}`);
      await open.ready(() => (open.stdout + open.stderr).includes(warning));
      await open.stop();
    }
    const own = start('server', ...here('own'), '--listen', '127.0.0.1:0');
    await own.ready(() => endpoint('own'));
    const { stdout, stderr } = await own.stop();
    expect(stdout + stderr).not.toContain(warning);
  });
});
