import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ownPrefix, ScratchNetwork } from '../../src/lab/scratch-network.ts';
import { VERSION } from '../../src/version.ts';
import { eventually } from '../support/eventually.ts';
import { TestPinhole } from '../support/pinhole.ts';

const PREFIX = `${ownPrefix('pht')}-cli`;
const ROOT = resolve(import.meta.dirname, '../..');
const BIN = join(ROOT, 'bin/pinhole');

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

describe('command line', () => {
  const network = new ScratchNetwork(PREFIX);
  const pinhole = new TestPinhole(PREFIX);

  beforeAll(async () => {
    await pinhole.start();
    await network.addHost('edge');
  });
  afterAll(async () => {
    await pinhole.stop();
    await network.destroy();
  });

  function run(...argv: string[]): Promise<Run> {
    return runWith({}, ...argv);
  }

  function runWith(env: Record<string, string>, ...argv: string[]): Promise<Run> {
    return new Promise((done) => {
      execFile(BIN, argv, { env: { ...pinhole.instance.env, ...env } }, (error, stdout, stderr) =>
        done({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr }),
      );
    });
  }

  async function json(...argv: string[]) {
    const { stdout } = await run(...argv, '--json');
    return JSON.parse(stdout);
  }

  it('prints the version of the package', async () => {
    expect((await run('--version')).stdout.trim()).toBe(VERSION);
    expect(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version).toBe(VERSION);
  });

  it('finds server and token by itself, and assigns a helper', async () => {
    expect((await run('router', 'add', 'edge', '--netns', network.netns('edge'))).code).toBe(0);
    const made = await json('helper', 'add', 'edge', 'ftp');
    expect(made).toMatchObject({ helper: 'ftp', protocol: 'tcp', port: 21, router: 'edge' });
    await eventually(async () => (await run('status', 'edge')).stdout.includes('ACTIVE'));
    const { stdout } = await run('helper', 'list', 'edge');
    expect(stdout.split('\n')[0]).toMatch(/^ID +ROUTER +HELPER +PROTOCOL +PORT +SCOPE +UNTIL$/);
    expect(stdout).not.toContain('\u001b');
    expect(await run('helper', 'rm', 'edge', 'ftp')).toMatchObject({
      code: 0,
      stdout: 'helper ftp (tcp port 21) of router edge is gone\n',
    });
  });

  it('shows the status with problems first, and with --check exits with 1 while there is one', async () => {
    await run('helper', 'add', 'edge', 'ftp');
    await eventually(async () => (await run('status', 'edge', '--check')).code === 0);
    const [, , , row] = (await run('status', 'edge')).stdout.split('\n');
    expect(row).toMatch(/^edge +ftp +tcp\/21 +ipv4 ipv6 +ACTIVE +\d+ s$/);
    expect((await run('status', '--problems')).stdout).toMatch(/^1 helper: 1 ACTIVE; 1 host\n$/);
    await run('helper', 'add', 'edge', 'amanda', '--protocol', 'tcp');
    await eventually(async () => (await run('status', '--problems')).stdout.includes('ERROR'));
    const { code, stdout, stderr } = await run('status', '--check');
    expect([code, stderr]).toEqual([1, 'pinhole: 1 problem found\n']);
    expect(stdout).toMatch(
      /^2 helpers: 1 ERROR, 1 ACTIVE; 1 host\n\nROUTER .*\nedge +amanda .* ERROR +-\n {2}no kernel has the helper amanda for tcp\nedge +ftp /,
    );
    expect((await run('status', '--check', '--helper', 'ftp', '--host', 'here')).code).toBe(0);
    expect((await run('status', '--host', 'other')).stdout).toBe('0 helpers\n');
    expect((await json('status', '--problems')).map(({ router }: { router: { name: string } }) => router.name)).toEqual(['edge']);
    for (const name of ['ftp', 'amanda']) await run('helper', 'rm', 'edge', name);
  });

  it('passes scope, time to live and confinement to the kernel', async () => {
    const listener = createServer();
    await new Promise<void>((resolve) => listener.listen(0, '0.0.0.0', resolve));
    const { port } = listener.address() as AddressInfo;
    await run('router', 'set', 'edge', '--block-port', '8081,9000', '--block-port', '47', '--block-listening');
    listener.close();
    const { blocked_ports: blocked } = (await json('router', 'show', 'edge')).confine;
    expect(blocked).toEqual(expect.arrayContaining([47, 3306, 8081, 9000, port]));
    expect(await run('router', 'set', 'edge', '--no-confine', '--block-listening')).toMatchObject({ code: 2 });
    expect((await run('router', 'set', 'edge', '--block-port', 'x')).stderr).toContain("'x' is no port");
    const made = await json('helper', 'add', 'edge', 'ftp', '--source', '10.0.0.0/8', '--in-interface', 'eth0', '--ttl', '2s');
    expect(made.scope).toEqual({ source: '10.0.0.0/8', destination: null, in_interface: 'eth0' });
    const ruleset = async () => (await network.exec('edge', ['nft', 'list', 'ruleset'])).stdout;
    await eventually(async () => (await ruleset()).includes('iifname "eth0" ip saddr 10.0.0.0/8 tcp dport 21 ct helper set "ftp-tcp"'));
    expect(await ruleset()).toContain('ct helper vmap { "ftp" : jump data-tcp }');
    await eventually(async () => (await ruleset()) === '', { what: 'the helper expires' });
    await eventually(async () => (await json('helper', 'list', 'edge')).length === 0);
    await run('router', 'set', 'edge', '--no-confine');
  });

  it('exits with 2 for wrong usage, 3 for a missing object, 4 for a denied request, 5 without a server', async () => {
    expect((await run('helper', 'add', 'edge')).code).toBe(2);
    expect((await run('nonsense')).code).toBe(2);
    expect((await run('helper', 'add', 'edge', 'ftp', '--port', 'x')).code).toBe(2);
    expect((await run('helper', 'add', 'edge', 'sip')).stderr).toContain('say which with --protocol');
    expect(await run('router', 'show', 'absent')).toMatchObject({ code: 3, stderr: 'pinhole: Router absent could not be found.\n' });
    expect((await run('helper', 'rm', 'edge', 'absent')).code).toBe(3);
    expect((await run('router', 'list', '--token', 'wrong')).code).toBe(4);
    expect((await run('router', 'list', '--url', 'http://127.0.0.1:9')).code).toBe(5);
    expect(JSON.parse((await run('router', 'show', 'absent', '--json')).stdout)).toMatchObject({ error: { code: 'router-not-found' } });
  });

  it('applies a manifest, shows differences, prunes, and exports a manifest that changes nothing', async () => {
    const file = join(pinhole.directory, 'routers.yaml');
    const text = (port: number) =>
      `routers:\n  - name: edge\n    netns: ${network.netns('edge')}\n    helpers:\n      - helper: ftp\n        port: ${port}\n      - {helper: sip, protocol: udp, source: 192.0.2.0/24}\n  - name: spare\n    helpers: []\n`;
    writeFileSync(file, text(2121));
    expect((await run('diff', '-f', file)).stdout).toContain('+ edge: ftp tcp/2121');
    expect((await run('apply', '-f', file, '--dry-run')).stdout).toContain('3 things would change');
    expect((await run('apply', '-f', file)).code).toBe(0);
    expect((await run('apply', '-f', file)).stdout).toBe('nothing to change\n');
    writeFileSync(file, text(2222));
    expect((await json('diff', '-f', file)).steps).toHaveLength(1);
    expect((await run('apply', '-f', file, '--prune', '--dry-run')).stdout).toContain('~ edge: ftp tcp/2121 (port: 2121 → 2222)');
    expect((await json('apply', '-f', file, '--prune')).steps.map(({ step }: { step: string }) => step)).toEqual(['update-helper']);
    const exported = join(pinhole.directory, 'exported.yaml');
    writeFileSync(exported, (await run('export')).stdout);
    expect((await run('diff', '-f', exported, '--prune')).stdout).toBe('nothing to change\n');
    writeFileSync(file, 'routers:\n  - name: edge\n    helpers:\n      - helper: ftp\n        port: 99999\n');
    expect(await run('apply', '-f', file)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('routers.yaml:5: routers[0].helpers[0].port'),
    });
    writeFileSync(file, `routers:\n  - name: edge\n    netns: ${network.netns('edge')}\n`);
    await run('apply', '-f', file, '--prune');
    expect((await json('router', 'list')).map(({ name }: { name: string }) => name)).toEqual(['edge']);
  });

  it('creates, lists and revokes tokens', async () => {
    const { token, id } = await json('token', 'create', '--role', 'reader', '--project', 'p');
    expect((await run('router', 'list', '--token', token)).code).toBe(0);
    expect((await run('router', 'add', 'x', '--token', token)).code).toBe(4);
    await run('token', 'revoke', id);
    expect((await run('router', 'list', '--token', token)).code).toBe(4);
    expect((await run('token', 'list')).stdout).not.toContain(token.slice(20));
  });

  it('doctor follows the helpers of a router, and of a namespace that has none', async () => {
    expect((await run('doctor')).code).toBe(0);
    await network.addHost('plain');
    const plain = await run('doctor', '--netns', network.netns('plain'));
    expect(plain).toMatchObject({ code: 0, stdout: expect.stringMatching(/note {5}table inet pinhole\n {9}assigns no helper/) });
    expect(await run('doctor', '--netns', network.netns('plain'), '--from', 'nowhere')).toMatchObject({ code: 2 });
  });

  it('purge removes Pinhole’s tables and no other, and refuses while Pinhole runs', async () => {
    await run('helper', 'add', 'edge', 'ftp');
    await network.nft('edge', 'table inet theirs { chain c { }\n}\n');
    await eventually(async () => (await network.exec('edge', ['nft', 'list', 'tables'])).stdout.includes('inet pinhole'));
    expect(await run('purge', '--netns', `${PREFIX}-*`)).toMatchObject({ code: 1, stderr: expect.stringContaining('Stop Pinhole first') });
    await pinhole.instance.stop();
    expect((await run('purge', '--netns', `${PREFIX}-*`)).stdout).toContain(`${network.netns('edge')}: table inet pinhole removed`);
    expect((await network.exec('edge', ['nft', 'list', 'tables'])).stdout).toBe('table inet theirs\n');
    expect((await run('purge', '--netns', `${PREFIX}-*`)).stdout).toBe('no Pinhole table found\n');
    await pinhole.start();
  });

  it('completes in bash', async () => {
    const { stdout } = await run('completion');
    const complete = (words: string[]) =>
      new Promise<string>((done) => {
        const script = `${stdout}\nCOMP_WORDS=(pinhole ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _pinhole; echo "\${COMPREPLY[@]}"`;
        execFile('bash', ['-c', script], (_error, out) => done(out.trim()));
      });
    expect(await complete(['he'])).toBe('helper');
    expect(await complete(['helper', 'a'])).toBe('add');
    expect(await complete(['helper', 'add', 'edge', 'tf'])).toBe('tftp');
    expect(await complete(['status', '--w'])).toBe('--watch');
  });
});
