import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLI } from '../support/cli-path.ts';
import { crashAt } from '../support/crash-at.ts';

const run = promisify(execFile);
const MACHINES = ['--brokers', 'mq-1', '--servers', 'server-1,192.0.2.7', '--agents', 'host-1,host-2'];
const DATABASE = ['--database', 'postgresql://pinhole@db/pinhole'];

describe('pinhole fleet init', () => {
  const folder = mkdtempSync(join(tmpdir(), 'phfi-'));
  const fleet = join(folder, 'fleet');
  beforeAll(() => init(...MACHINES, ...DATABASE));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function init(...argv: string[]): Promise<{ written: string[] }> {
    const { stdout } = await run(process.execPath, [CLI, 'fleet', 'init', fleet, '--no-import', '--json', ...argv]);
    return JSON.parse(stdout);
  }

  /** Every file with its mode, its time and its text. */
  function everything(root: string): Record<string, string> {
    const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort();
    const files = names.map((name) => [name, statSync(join(root, name))] as const).filter(([, found]) => found.isFile());
    const of = (name: string) => readFileSync(join(root, name), 'utf8');
    return Object.fromEntries(files.map(([name, { mode, mtimeMs }]) => [name, `${(mode & 0o777).toString(8)} ${mtimeMs} ${of(name)}`]));
  }

  it('makes files that only their owner may read, except for the authority’s certificate', () => {
    expect(statSync(fleet).mode & 0o777).toBe(0o700);
    const open = Object.entries(everything(fleet)).filter(([, text]) => !text.startsWith('600 '));
    expect(open.map(([name]) => name)).toEqual(['ca.pem']);
  });

  it('makes certificates for the names and addresses of machines, for both ends', () => {
    const authority = new X509Certificate(readFileSync(join(fleet, 'ca.pem')));
    expect(authority.ca).toBe(true);
    for (const [machine, name] of [
      ['server-1', 'DNS:server-1'],
      ['192.0.2.7', 'IP Address:192.0.2.7'],
      ['mq-1', 'DNS:mq-1'],
    ] as const) {
      const certificate = new X509Certificate(readFileSync(join(fleet, 'certificates', `${machine}-cert.pem`)));
      expect([machine, certificate.verify(authority.publicKey), certificate.ca]).toEqual([machine, true, false]);
      expect(certificate.subjectAltName).toBe(name);
      expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    }
  });

  it('a repetition changes nothing, with or without the flags', async () => {
    const before = everything(fleet);
    expect((await init(...MACHINES, ...DATABASE)).written).toEqual([]);
    expect((await init()).written).toEqual([]);
    expect(everything(fleet)).toEqual(before);
  });

  it('more names change only what is about them', async () => {
    const before = everything(fleet);
    const { written } = await init('--agents', 'host-3');
    expect(written.map((path) => path.slice(fleet.length + 1)).sort()).toEqual(['fleet.json', 'machines/host-3.json', 'rabbitmq.json']);
    const after = everything(fleet);
    expect(Object.keys(before).filter((name) => before[name] !== after[name])).toEqual(['fleet.json', 'rabbitmq.json']);
  });

  it('after it was killed at any moment, a repetition finishes, with the secrets that there were', { timeout: 240_000 }, async () => {
    const other = join(folder, 'killed');
    const argv = [CLI, 'fleet', 'init', other, '--no-import', '--json', ...MACHINES, ...DATABASE];
    let secrets: string | null = null;
    let rounds = 0;
    for (let isDone = false; !isDone; rounds++) {
      const env = { ...process.env, ...crashAt(rounds * 2, { folder, path: other }) };
      isDone = await run(process.execPath, argv, { env }).then(
        () => true,
        (error) => {
          expect([error.signal, error.stderr]).toEqual(['SIGKILL', '']);
          return false;
        },
      );
      const state = readdirSync(folder).includes('killed') && readdirSync(other).includes('fleet.json');
      if (state) secrets ??= readFileSync(join(other, 'fleet.json'), 'utf8');
      if (state) expect(readFileSync(join(other, 'fleet.json'), 'utf8')).toBe(secrets);
    }
    expect(rounds).toBeGreaterThan(5);
    const named = Object.keys(everything(other)).filter((name) => !name.includes('.partial'));
    expect(named.sort()).toEqual(Object.keys(everything(fleet)).filter((name) => !name.includes('host-3')));
    expect(readdirSync(other, { recursive: true, encoding: 'utf8' }).filter((name) => /new-|\.partial/.test(name))).toEqual([]);
    expect(JSON.parse((await run(process.execPath, argv)).stdout)).toMatchObject({ written: [] });
  });

  it('names the program that is missing, and does the rest once it is there', async () => {
    const other = join(folder, 'missing');
    mkdirSync(join(folder, 'nothing'));
    const argv = [CLI, 'fleet', 'init', other, ...MACHINES, ...DATABASE];
    const failed = (PATH: string, ...more: string[]) =>
      run(process.execPath, [...argv, ...more], { env: { PATH } }).then(
        () => ({ code: 0, stderr: '' }),
        ({ code, stderr }) => ({ code, stderr }),
      );
    expect(await failed(join(folder, 'nothing'))).toMatchObject({ code: 1, stderr: expect.stringContaining('flock') });
    expect(await failed(process.env['PATH'] ?? '', '--no-import')).toMatchObject({ code: 0 });
  });

  it('join puts a machine’s files in place once, with owners and modes, and keeps the configuration that was there', async () => {
    const etc = join(folder, 'etc');
    const file = join(etc, 'pinhole.yaml');
    const place = async (bundle: string) => {
      const { stdout } = await run(process.execPath, [
        CLI,
        'fleet',
        'join',
        bundle,
        '--config',
        file,
        '--data-dir',
        join(folder, 'data'),
        '--json',
      ]);
      return JSON.parse(stdout) as { role: string; written: string[] };
    };
    mkdirSync(etc);
    writeFileSync(file, 'host: own\n');
    const { role, written } = await place(join(fleet, 'machines/host-1.json'));
    expect([role, written.length]).toEqual(['agent', 5]);
    expect(readFileSync(`${file}.before`, 'utf8')).toBe('host: own\n');
    const found = ['key.pem', 'pinhole.yaml', 'cert.pem', 'ca.pem'].map((name) => statSync(join(etc, name)));
    expect(found.map(({ mode }) => (mode & 0o777).toString(8))).toEqual(['600', '640', '644', '644']);
    expect(found.map(({ uid }) => uid === 0)).toEqual([false, true, true, true]);
    expect((await place(join(fleet, 'machines/host-1.json'))).written).toEqual([]);
    await expect(place(join(fleet, 'fleet.json'))).rejects.toMatchObject({ code: 2 });
    await expect(place(join(fleet, 'ca.pem'))).rejects.toMatchObject({ code: 2, stdout: expect.stringContaining('is not JSON') });
    expect((await place(join(fleet, 'machines/host-1.json'))).written).toEqual([]);
  });

  it.each([
    [['--agents', 'server-1'], 'is a server already'],
    [['--agents', '..'], 'the name of a machine'],
    [['--vhost', 'a b'], 'a virtual host'],
    [['--database', 'mysql://x'], 'a URL like postgresql'],
  ])('refuses %j', async (argv, message) => {
    const before = everything(fleet);
    await expect(init(...argv)).rejects.toMatchObject({ code: 2, stdout: expect.stringContaining(message) });
    expect(everything(fleet)).toEqual(before);
  });
});
