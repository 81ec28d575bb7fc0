import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Router } from '../../src/contract/router.ts';
import { ownPrefix } from '../../src/lab/scratch-network.ts';
import { eventually } from '../support/eventually.ts';
import { TestPinhole } from '../support/pinhole.ts';
import { ADDRESSES, RouterLab } from '../support/router-lab.ts';
import { SipCall } from '../support/sip-call.ts';

const PREFIX = `${ownPrefix('pht')}-e2e`;
const { v4, v6 } = ADDRESSES;
const CONTENT = 'through a pinhole\n';

/**
 * Tries every helper of the kernel with real packets: the announced connection fails without the helper, works once the API declares
 * it, and fails again after its removal. The client is behind a router with NAT (IPv6: without) and the forward policy drop.
 */
describe('real packets', () => {
  const lab = new RouterLab(PREFIX);
  const pinhole = new TestPinhole(PREFIX);
  let router: Router;

  beforeAll(async () => {
    await lab.build();
    await pinhole.start();
    router = await pinhole.addRouter(lab.router);
    await pinhole.settled(router.id);
  });
  afterAll(async () => {
    await pinhole.stop();
    await lab.destroy();
  });

  /** Runs a check without the helper, with it, and after its removal. */
  async function withoutAndWith(
    helper: { name: string; protocol: string; port: number },
    check: () => Promise<unknown>,
    results: { without: unknown; with: unknown },
  ) {
    await lab.forgetConnections();
    expect(await check(), 'without the helper').toEqual(results.without);
    const { id } = await pinhole.addHelper(router.id, helper.name, helper.protocol, helper.port);
    const { helpers } = await pinhole.settled(router.id);
    expect(helpers.flatMap(({ families }) => families.map(({ status }) => status)).every((status) => status === 'ACTIVE')).toBe(true);
    await lab.forgetConnections();
    expect(await check(), 'with the helper').toEqual(results.with);
    await pinhole.removeHelper(router.id, id);
    await pinhole.settled(router.id);
    await lab.forgetConnections();
    expect(await check(), 'after its removal').toEqual(results.without);
  }

  async function curl(...argv: string[]): Promise<string> {
    try {
      return (await lab.network.exec('client', ['curl', '-sS', '--max-time', '2', ...argv])).stdout;
    } catch (error) {
      return `curl failed with ${(error as { code: number }).code}`;
    }
  }
  const TIMED_OUT = 'curl failed with 28';

  describe('ftp: vsftpd and curl', () => {
    beforeAll(async () => {
      const root = join(lab.directory, 'ftp');
      mkdirSync(join(root, 'empty'), { recursive: true });
      writeFileSync(join(root, 'file.txt'), CONTENT);
      const config = join(lab.directory, 'vsftpd.conf');
      const lines = [
        'listen=NO',
        'listen_ipv6=YES',
        'background=NO',
        'anonymous_enable=YES',
        `anon_root=${root}`,
        `secure_chroot_dir=${join(root, 'empty')}`,
      ];
      writeFileSync(
        config,
        [...lines, 'no_anon_password=YES', 'seccomp_sandbox=NO', 'port_enable=YES', 'connect_from_port_20=NO', ''].join('\n'),
      );
      await lab.network.exec('server', ['chmod', 'o+x', lab.directory]);
      lab.network.start('server', ['vsftpd', config]);
      await lab.listening('server', 't', 21);
    });

    it.each([
      ['PASV', [`ftp://${v4.server}/file.txt`, '--disable-epsv'], TIMED_OUT],
      // vsftpd refuses a PORT with an address other than its peer's: without the helper, NAT does not rewrite it.
      ['PORT', [`ftp://${v4.server}/file.txt`, '--ftp-port', '-', '--disable-eprt'], 'curl failed with 30'],
      ['EPSV on IPv6', [`ftp://[${v6.server}]/file.txt`], TIMED_OUT],
      ['EPRT on IPv6', [`ftp://[${v6.server}]/file.txt`, '--ftp-port', '-'], TIMED_OUT],
    ])('%s', async (_mode, argv, without) => {
      await withoutAndWith({ name: 'ftp', protocol: 'tcp', port: 21 }, () => curl(...argv), { without, with: CONTENT });
    });
  });

  describe('tftp: tftpd-hpa and curl', () => {
    beforeAll(async () => {
      const root = join(lab.directory, 'tftp');
      mkdirSync(root);
      writeFileSync(join(root, 'file.txt'), CONTENT, { mode: 0o644 });
      // One server for each address: two on the same port of all addresses would conflict.
      for (const address of [v4.server, `[${v6.server}]`]) {
        lab.network.start('server', ['in.tftpd', '--foreground', '--address', `${address}:69`, '--secure', root]);
        await lab.listening('server', 'u', 69, address);
      }
    });

    it.each([
      ['IPv4 with NAT', `tftp://${v4.server}/file.txt`],
      ['IPv6', `tftp://[${v6.server}]/file.txt`],
    ])('%s', async (_what, url) => {
      await withoutAndWith({ name: 'tftp', protocol: 'udp', port: 69 }, () => curl(url, '--max-time', '5'), {
        without: TIMED_OUT,
        with: CONTENT,
      });
    });
  });

  describe('sip: sipp, and RTP both ways to the addresses in the SDP', () => {
    /** Makes one call. Each end sends media to the address in the other's SDP. */
    async function call(
      transport: 'u1' | 't1',
      family: 'v4' | 'v6',
    ): Promise<{ toServer: boolean; toClient: boolean; rewritten: boolean }> {
      const sip = await SipCall.start(lab, { transport, ends: ADDRESSES[family], seconds: 4 });
      try {
        const media = sip.media();
        const [atServer, atClient] = await Promise.all([
          lab.peer<{ received: number }>('server', 'rtp.mjs', media.server),
          lab.peer<{ received: number }>('client', 'rtp.mjs', media.client),
        ]);
        return { toServer: atServer.received > 10, toClient: atClient.received > 10, rewritten: sip.toClient.address === v4.wan };
      } finally {
        await sip.stop();
      }
    }

    it.each([
      ['udp', 'u1', 'v4'],
      ['tcp', 't1', 'v4'],
      ['udp', 'u1', 'v6'],
    ] as const)('over %s (%s, %s)', async (protocol, transport, family) => {
      const nat = family === 'v4';
      await withoutAndWith({ name: 'sip', protocol, port: 5060 }, () => call(transport, family), {
        without: { toServer: false, toClient: false, rewritten: false },
        with: { toServer: true, toClient: true, rewritten: nat },
      });
    });
  });

  describe('irc: ngircd and DCC SEND', () => {
    beforeAll(async () => {
      const config = join(lab.directory, 'ngircd.conf');
      writeFileSync(
        config,
        `[Global]\nName = irc.example.test\nInfo = test\nListen = ${v4.server}\nPorts = 6667\nMotdPhrase = hello\n[Options]\nPAM = no\nIdent = no\nDNS = no\n[Limits]\nMaxConnectionsIP = 0\nMaxPenaltyTime = 0\n`,
      );
      lab.network.start('server', ['ngircd', '--nodaemon', '--config', config]);
      await lab.listening('server', 't', 6667);
    });

    it('the router’s address replaces the client’s in the offer, and the file arrives', async () => {
      const check = async () => {
        const receiver = await lab.startPeer('server', 'irc-client.mjs', { role: 'bob', server: v4.server });
        const { sent } = await lab.peer<{ sent: boolean }>('client', 'irc-client.mjs', {
          role: 'alice',
          server: v4.server,
          own: v4.client,
        });
        await eventually(() => receiver.lines.length > 1, { what: 'bob ends' });
        const { address, content } = JSON.parse(receiver.lines[1] as string) as { address: string; content: string | null };
        return { sent, address, content };
      };
      await withoutAndWith({ name: 'irc', protocol: 'tcp', port: 6667 }, check, {
        without: { sent: false, address: v4.client, content: null },
        with: { sent: true, address: v4.wan, content: 'sent by DCC\n' },
      });
    });
  });

  describe('sane: saned and scanimage', () => {
    beforeAll(async () => {
      const config = join(lab.directory, 'sane');
      mkdirSync(config);
      writeFileSync(join(config, 'dll.conf'), 'net\ntest\n');
      writeFileSync(join(config, 'saned.conf'), `${v4.wan}\n[${v6.client}]\n`);
      writeFileSync(join(config, 'net.conf'), 'connect_timeout = 2\n');
      writeFileSync(join(config, 'test.conf'), '');
      const env = { ...process.env, SANE_CONFIG_DIR: config };
      lab.network.start('server', ['saned', '-l', '-e', '-b', '::'], { env });
      await lab.listening('server', 't', 6566);
    });

    it.each([
      ['IPv4 with NAT', v4.server],
      ['IPv6', `[${v6.server}]`],
    ])('%s', async (_what, address) => {
      const config = join(lab.directory, 'sane');
      // SIGTERM does not end scanimage.
      const argv = [
        'env',
        `SANE_CONFIG_DIR=${config}`,
        'timeout',
        '-s',
        'KILL',
        '4',
        'scanimage',
        '-d',
        `net:${address}:test:0`,
        '--format=pnm',
      ];
      const check = async () => {
        try {
          const { stdout } = await lab.network.exec('client', argv);
          return stdout.startsWith('P') ? 'picture' : 'no picture';
        } catch {
          return 'no picture';
        }
      };
      await withoutAndWith({ name: 'sane', protocol: 'tcp', port: 6566 }, check, { without: 'no picture', with: 'picture' });
    });
  });

  describe('pptp: pptpd, and GRE in both directions with translated call ids', () => {
    beforeAll(async () => {
      const ppp = join(lab.directory, 'ppp');
      writeFileSync(ppp, '#!/bin/sh\nexec sleep 20\n', { mode: 0o755 });
      const config = join(lab.directory, 'pptpd.conf');
      writeFileSync(config, `ppp ${ppp}\nlocalip 192.0.2.1\nremoteip 192.0.2.10-20\nlisten ${v4.server}\nnoipparam\n`);
      lab.network.start('server', ['pptpd', '--fg', '--conf', config, '--pidfile', join(lab.directory, 'pptpd.pid')]);
      await lab.listening('server', 't', 1723);
    });

    it('the tunnel works in both directions', async () => {
      const check = async () => {
        const tunnel = await lab.startPeer('server', 'pptp-gre.mjs', { to: v4.wan });
        const outcome = await lab.peer<{ received: { callId: number } | null; ownCall: number }>('client', 'pptp-client.mjs', {
          server: v4.server,
        });
        tunnel.stop();
        const heard = tunnel.lines.some((line) => line.includes('heard') && line.includes(v4.wan));
        return { toServer: heard, toClient: outcome.received?.callId === outcome.ownCall };
      };
      await withoutAndWith({ name: 'pptp', protocol: 'tcp', port: 1723 }, check, {
        without: { toServer: false, toClient: false },
        with: { toServer: true, toClient: true },
      });
    });
  });

  describe('amanda: the data streams that a reply names', () => {
    it.each([
      ['IPv4 with NAT', v4],
      ['IPv6', v6],
    ])('%s', async (_what, { client, server }) => {
      const { stop } = await lab.startPeer('server', 'amanda-server.mjs', { address: server });
      const check = () => lab.peer('client', 'amanda-client.mjs', { own: client, server });
      await withoutAndWith({ name: 'amanda', protocol: 'udp', port: 10080 }, check, {
        without: { replied: true, streams: [null, null, null] },
        with: { replied: true, streams: ['stream 50081', 'stream 50082', 'stream 50083'] },
      });
      stop();
    });
  });

  describe('h323', () => {
    it.each([
      ['IPv4 with NAT', v4, v4.wan, 4],
      ['IPv6', v6, v6.client, 16],
    ])('Q.931: the caller’s H.245 address is reachable, %s', async (_what, { client, server }, seen, width) => {
      const { stop } = await lab.startPeer('server', 'q931-server.mjs', { address: server, width });
      const check = async () => {
        const { connected, accepted, target } = await lab.peer<{ connected: boolean; accepted: boolean; target: { address: string } }>(
          'client',
          'q931-client.mjs',
          { own: client, server },
        );
        return { connected, accepted, rewritten: width === 4 && target.address === seen };
      };
      await withoutAndWith({ name: 'h323', protocol: 'tcp', port: 1720 }, check, {
        without: { connected: false, accepted: false, rewritten: false },
        with: { connected: true, accepted: true, rewritten: width === 4 },
      });
      stop();
    });

    it.each([
      ['IPv4 with NAT', v4],
      ['IPv6', v6],
    ])('RAS: the address that a gatekeeper names is reachable, %s', async (_what, { client, server }) => {
      const { stop } = await lab.startPeer('server', 'ras-server.mjs', { address: server });
      await withoutAndWith(
        { name: 'h323', protocol: 'udp', port: 1719 },
        () => lab.peer('client', 'ras-client.mjs', { own: client, server }),
        {
          without: { confirmed: true, echoed: null },
          with: { confirmed: true, echoed: 'echo hello' },
        },
      );
      stop();
    });
  });

  describe('helpers for broadcasts of the router itself', () => {
    it.each([
      ['netbios-ns', 137],
      ['snmp', 161],
    ])('%s: the answer from another address comes in', async (name, port) => {
      const { stop } = await lab.startPeer('server', 'broadcast-server.mjs', { port });
      await withoutAndWith(
        { name, protocol: 'udp', port },
        () => lab.peer('router', 'broadcast-client.mjs', { port, broadcast: v4.broadcast }),
        {
          without: { answer: null, from: null },
          with: { answer: 'answer to question', from: v4.server },
        },
      );
      stop();
    });
  });
});
