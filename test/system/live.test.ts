import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Diagnosis } from '../../src/contract/diagnosis.ts';
import { HELPER } from '../../src/contract/helper.ts';
import { LIVE_PLAN } from '../../src/contract/plan.ts';
import { ownPrefix } from '../../src/lab/scratch-network.ts';
import { CLI } from '../support/cli-path.ts';
import { eventually } from '../support/eventually.ts';
import { TestPinhole } from '../support/pinhole.ts';
import { ADDRESSES, RouterLab } from '../support/router-lab.ts';

const PREFIX = `${ownPrefix('pht')}-live`;
const CONTENT = 'through the pinhole\n';

describe('commands that read the live kernel', () => {
  const lab = new RouterLab(PREFIX);
  const pinhole = new TestPinhole(PREFIX);
  let router: string;

  beforeAll(async () => {
    await lab.build();
    const root = join(lab.directory, 'ftp');
    mkdirSync(join(root, 'empty'), { recursive: true });
    writeFileSync(join(root, 'file.txt'), CONTENT);
    const config = join(lab.directory, 'vsftpd.conf');
    const lines = ['listen=NO', 'listen_ipv6=YES', 'background=NO', 'anonymous_enable=YES', 'no_anon_password=YES', 'seccomp_sandbox=NO'];
    writeFileSync(config, [...lines, `anon_root=${root}`, `secure_chroot_dir=${join(root, 'empty')}`, ''].join('\n'));
    await lab.network.exec('server', ['chmod', 'o+x', lab.directory]);
    lab.network.start('server', ['vsftpd', config]);
    await lab.listening('server', 't', 21);
    await pinhole.start();
    router = (await pinhole.addRouter(lab.router)).id;
  });
  afterAll(async () => {
    await pinhole.stop();
    await lab.destroy();
  });

  it('plan: shows what a sync would change, and changes nothing', async () => {
    const plan = () => pinhole.read(LIVE_PLAN, 'GET', `/v1/routers/${router}/plan`);
    expect(await plan()).toEqual({ changes: [], foreign: [], table: null });
    const { id } = await pinhole.addHelper(router, 'tftp', 'udp', 69);
    await pinhole.settled(router);
    expect(await plan()).toMatchObject({ changes: [], foreign: [], table: expect.stringContaining('"tftp-udp"') });
    await pinhole.removeHelper(router, id);
    await pinhole.settled(router);
    expect(await plan()).toMatchObject({ changes: [], table: null });
  });

  it('a member who watches live expectations costs no other namespace anything: the kernel process hears of its own routers only', async () => {
    await lab.network.addHost('other');
    const served = await pinhole.addRouter(lab.network.netns('other'), { project_id: 'q' });
    await pinhole.addHelper(served.id, 'tftp', 'udp', 69);
    await pinhole.call('PUT', `/v1/routers/${router}`, { project_id: 'p' });
    for (const id of [served.id, router]) await pinhole.settled(id);
    const { token } = (await pinhole.call('POST', '/v1/tokens', { role: 'member', project_id: 'p' })) as { token: string };
    /** Whether a socket of this namespace is in the group of new expectations (NFNLGRP_CONNTRACK_EXP_NEW, nfnetlink_compat.h). */
    const hears = async (host: string) => {
      const { stdout } = await lab.network.exec(host, ['cat', '/proc/net/netlink']);
      const netfilter = stdout.split('\n').map((line) => line.trim().split(/\s+/));
      return netfilter.some(([, protocol, , groups = '0']) => protocol === '12' && (Number.parseInt(groups, 16) & 0b1000) !== 0);
    };
    const watching = new AbortController();
    const watch = (bearer: string) =>
      fetch(`${pinhole.instance.url}/v1/expectations`, { headers: { authorization: `Bearer ${bearer}` }, signal: watching.signal });
    await watch(token);
    await eventually(() => hears('router'), { what: 'its own router is watched' });
    expect(await hears('other')).toBe(false);
    await watch(pinhole.instance.token);
    await eventually(() => hears('other'), { what: 'the admin watches all' });
    watching.abort();
    await pinhole.call('DELETE', `/v1/routers/${served.id}`);
  });

  describe('doctor', () => {
    const doctor = async (...argv: string[]) => {
      const env = { PATH: process.env['PATH'], PINHOLE_URL: pinhole.instance.url, PINHOLE_TOKEN: pinhole.instance.token };
      const answer = promisify(execFile)(process.execPath, [CLI, 'doctor', '--json', ...argv], { env });
      const { code, stdout } = await answer.then(
        (said) => ({ code: 0, ...said }),
        ({ code, stdout }) => ({ code, stdout }),
      );
      return { code, found: JSON.parse(stdout) as Diagnosis[] };
    };

    it('asks the agent of a router that another host has, and learns what root learns there', async () => {
      const { id } = await pinhole.addHelper(router, 'ftp', 'tcp', 21);
      await pinhole.settled(router);
      await lab.network.nft(
        'router',
        'table inet theirs { chain c { type filter hook forward priority 50; policy accept; ct state related drop; }\n}\n',
      );
      try {
        // This host is not named 'here', as the router's host is.
        const remote = await doctor(router, '--from', ADDRESSES.v4.client, '--to', ADDRESSES.v4.server);
        expect(remote.code).toBe(1);
        expect(remote.found[0]).toMatchObject({ result: 'problem', detail: expect.stringContaining('inet theirs c handle') });
        const local = await doctor('--netns', lab.router, '--from', ADDRESSES.v4.client, '--to', ADDRESSES.v4.server);
        // Without the router, nothing is known of what is declared.
        const ofRules = remote.found.filter(({ check }) => !check.endsWith('status') && check !== 'confinement');
        expect(local.found).toEqual(expect.arrayContaining(ofRules));
      } finally {
        await lab.network.nft('router', 'delete table inet theirs');
        await pinhole.removeHelper(router, id);
      }
      await pinhole.settled(router);
      expect((await doctor(router)).found.map(({ result }) => result)).not.toContain('problem');
    });

    it('is refused an address that is none, and names what is wrong', async () => {
      await expect(pinhole.call('GET', `/v1/routers/${router}/diagnosis?from=nowhere`)).rejects.toMatchObject({ code: 'invalid-input' });
    });
  });

  describe.each([
    ['IPv4 with NAT', 'PASV', ADDRESSES.v4.server],
    ['IPv6', 'EPSV', ADDRESSES.v6.server],
  ])('reapply: %s', (_what, passive, server) => {
    it('gives a helper to a connection that is older than the helper, without breaking it', async () => {
      const session = await lab.startPeer('client', 'ftp-session.mjs', { server, passive });
      const transfer = async () => {
        const before = session.lines.length;
        session.signal('SIGUSR2');
        await eventually(() => session.lines.length > before);
        return JSON.parse(session.lines.at(-1) as string);
      };
      const { id } = await pinhole.addHelper(router, 'ftp', 'tcp', 21);
      await pinhole.settled(router);
      expect(await transfer()).toBe('no data connection');
      const reapply = () => pinhole.call('POST', `/v1/routers/${router}/helpers/${id}/reapply`);
      expect(await reapply()).toEqual({ connections: 1 });
      for (let round = 0; round < 3; round++) expect(await transfer()).toBe(CONTENT);
      expect(await reapply()).toEqual({ connections: 0 });
      await pinhole.removeHelper(router, id);
      await pinhole.settled(router);
      await eventually(async () => (await transfer()) === 'no data connection');
      session.stop();
    });
  });

  it('reapply: respects the helper’s scope', async () => {
    const session = await lab.startPeer('client', 'ftp-session.mjs', { server: ADDRESSES.v4.server, passive: 'PASV' });
    const helper = { helper: 'ftp', protocol: 'tcp', port: 21, scope: { source: '10.99.0.0/16' } };
    const { id } = await pinhole.read(HELPER, 'POST', `/v1/routers/${router}/helpers`, helper);
    await pinhole.settled(router);
    expect(await pinhole.call('POST', `/v1/routers/${router}/helpers/${id}/reapply`)).toEqual({ connections: 0 });
    await pinhole.removeHelper(router, id);
    session.stop();
  });

  it('reapply: refuses a helper that this kernel lacks, with a reason', async () => {
    const { id } = await pinhole.addHelper(router, 'amanda', 'tcp', 10080);
    await expect(pinhole.call('POST', `/v1/routers/${router}/helpers/${id}/reapply`)).rejects.toMatchObject({
      code: 'invalid-input',
      message: 'The helper is not assigned here: no kernel has the helper amanda for tcp.',
    });
    await pinhole.removeHelper(router, id);
  });
});

describe('SIGHUP to the supervisor', () => {
  const policy = join(mkdtempSync(join(tmpdir(), 'phl-policy-')), 'policy.yaml');
  const write = (text: string) => writeFileSync(policy, text, { mode: 0o644 });
  let pinhole: TestPinhole;

  beforeAll(async () => {
    chmodSync(join(policy, '..'), 0o755);
    write('{}');
    pinhole = new TestPinhole('phl', `policy_file: ${policy}\n`);
    await pinhole.start();
  });
  afterAll(async () => {
    await pinhole.stop();
    rmSync(join(policy, '..'), { recursive: true });
  });

  it('makes the server reload its policy; an unreadable policy leaves the old one', async () => {
    const create = () => pinhole.call('POST', '/v1/routers', { name: 'x' });
    await create();
    write('create_router: "!"\n');
    process.kill(pinhole.instance.pid, 'SIGHUP');
    await eventually(async () =>
      create().then(
        () => false,
        (error) => error.code === 'denied',
      ),
    );
    write('create_router: "("\n');
    process.kill(pinhole.instance.pid, 'SIGHUP');
    await eventually(() => pinhole.instance.log.includes('policy and certificate stay as they were'));
    await expect(create()).rejects.toMatchObject({ code: 'denied' });
  });
});
