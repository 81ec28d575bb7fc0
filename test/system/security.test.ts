import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_CONFINEMENT } from '../../src/contract/confinement.ts';
import type { Router } from '../../src/contract/router.ts';
import { ownPrefix } from '../../src/lab/scratch-network.ts';
import { eventually } from '../support/eventually.ts';
import { TestPinhole } from '../support/pinhole.ts';
import { ADDRESSES, RouterLab } from '../support/router-lab.ts';
import { SipCall } from '../support/sip-call.ts';

const PREFIX = `${ownPrefix('pht')}-security`;
const { v4, v6 } = ADDRESSES;

describe('ports that helpers open, and confinement', () => {
  const lab = new RouterLab(PREFIX);
  const pinhole = new TestPinhole(PREFIX);
  let router: Router;

  beforeAll(async () => {
    await lab.build();
    for (const { server } of [v4, v6]) await lab.startPeer('server', 'forged-port-server.mjs', { address: server });
    await pinhole.start();
    router = await pinhole.addRouter(lab.router);
  });
  afterAll(async () => {
    await pinhole.stop();
    await lab.destroy();
  });

  it('a new router of a new installation is confined, with or without a word about it, until a request says otherwise', async () => {
    expect(router.confinement).toEqual(DEFAULT_CONFINEMENT);
    const shown = await pinhole.call('PUT', `/v1/routers/${router.id}`, { confine: false });
    expect(shown).toMatchObject({ confine: false });
  });

  /** The router itself is attacked where a process on it speaks FTP: what it announces arrives in the router's input hook. */
  it.each([
    ['a client behind the router, over IPv4', 'client', v4.client, v4.server],
    ['a client behind the router, over IPv6', 'client', v6.client, v6.server],
    ['a process on the router, over IPv4', 'router', v4.wan, v4.server],
    ['a process on the router, over IPv6', 'router', v6.wan, v6.server],
  ])(
    'a port forged by %s is open; confinement keeps low and listed ports closed, and data ports open',
    async (_what, host, own, server) => {
      const forge = async (port: number) =>
        (await lab.peer<{ connected: boolean }>(host, 'forged-port-client.mjs', { own, server, port })).connected;
      const { id } = await pinhole.addHelper(router.id, 'ftp', 'tcp', 21);
      await pinhole.settled(router.id);
      expect([await forge(22), await forge(3306), await forge(40000)]).toEqual([true, true, true]);
      await pinhole.call('PUT', `/v1/routers/${router.id}`, { confine: true });
      await pinhole.settled(router.id);
      expect([await forge(22), await forge(3306), await forge(40000)]).toEqual([false, false, true]);
      await pinhole.call('PUT', `/v1/routers/${router.id}`, { confine: false });
      await pinhole.removeHelper(router.id, id);
      await pinhole.settled(router.id);
    },
  );

  /** Each announces two ports of services, an ordinary one, and one that media may have. The kernel's SIP helper takes none below 1024. */
  it.each([
    ['irc', 'IRC, a file offered by DCC', { helper: 'irc', protocol: 'tcp', port: 6667 }, v4, [22, 3306]],
    ['sip-contact', 'SIP over TCP, a registration', { helper: 'sip', protocol: 'tcp', port: 5060 }, v4, [8080, 3306]],
    ['sip-contact', 'SIP over TCP, a registration, over IPv6', { helper: 'sip', protocol: 'tcp', port: 5060 }, v6, [8080, 3306]],
    ['sip-media', 'SIP over UDP, media', { helper: 'sip', protocol: 'udp', port: 5060 }, v4, [2049, 11211]],
    ['sip-media', 'SIP over UDP, media, over IPv6', { helper: 'sip', protocol: 'udp', port: 5060 }, v6, [2049, 11211]],
    ['ftp-227', "FTP, a server's answer to PASV", { helper: 'ftp', protocol: 'tcp', port: 2121 }, v4, [22, 3306]],
  ] as const)('%s: confinement keeps ports closed that %s opens otherwise', async (kind, _what, declared, ends, forged) => {
    const attack = async (port: number) =>
      (await lab.peer<{ reached: boolean }>('client', 'slipstream-client.mjs', { kind, own: ends.client, server: ends.server, port }))
        .reached;
    const { id } = await pinhole.addHelper(router.id, declared.helper, declared.protocol, declared.port);
    for (const confine of [false, true]) {
      await pinhole.call('PUT', `/v1/routers/${router.id}`, { confine });
      await pinhole.settled(router.id);
      const peer = await lab.startPeer('server', 'slipstream-server.mjs', { address: ends.server });
      const reached: boolean[] = [];
      for (const port of [...forged, 40_000, 10_250]) {
        await lab.forgetConnections();
        reached.push(await attack(port));
      }
      peer.stop();
      expect(reached).toEqual([!confine, !confine, true, !confine || kind === 'sip-media']);
    }
    await pinhole.removeHelper(router.id, id);
    await pinhole.call('PUT', `/v1/routers/${router.id}`, { confine: false });
    await pinhole.settled(router.id);
  });

  it('media of a call that flows one way only arrives through a confined router, whatever its rate of packets', async () => {
    const { id } = await pinhole.addHelper(router.id, 'sip', 'udp', 5060);
    const received: number[] = [];
    for (const confine of [false, { rate_per_second: 5 }]) {
      await pinhole.call('PUT', `/v1/routers/${router.id}`, { confine });
      await pinhole.settled(router.id);
      await lab.forgetConnections();
      const call = await SipCall.start(lab, { transport: 'u1', ends: v4, seconds: 6 });
      const { server, client } = call.media();
      const [heard] = await Promise.all([
        lab.peer<{ received: number }>('client', 'rtp.mjs', { ...client, to: null, ms: 3_000 }),
        lab.peer('server', 'rtp.mjs', { ...server, ms: 2_500 }),
      ]);
      received.push(heard.received);
      await call.stop();
    }
    const [open = 0, confined = 0] = received;
    expect(open).toBeGreaterThan(60);
    expect(confined).toBeGreaterThan(open * 0.8);
    await pinhole.call('PUT', `/v1/routers/${router.id}`, { confine: false });
    await pinhole.removeHelper(router.id, id);
    await pinhole.settled(router.id);
  });

  it('removing a helper removes it from open connections, which stay open', async () => {
    const { id } = await pinhole.addHelper(router.id, 'ftp', 'tcp', 21);
    await pinhole.settled(router.id);
    const session = lab.peer('client', 'forged-port-client.mjs', { own: v4.client, server: v4.server, port: 40001, hold: 4000 });
    const tracked = async () =>
      (await lab.network.exec('router', ['conntrack', '-L', '-p', 'tcp', '--dport', '21'])).stdout
        .split('\n')
        .filter((line) => line.includes('ESTABLISHED'));
    await eventually(async () => (await tracked()).some((line) => line.includes('helper=ftp')), {
      what: 'a live connection has the helper',
    });
    await pinhole.removeHelper(router.id, id);
    await eventually(async () => (await tracked()).length > 0 && (await tracked()).every((line) => !line.includes('helper=')), {
      what: 'the connection lives on without it',
    });
    await session;
  });
});
