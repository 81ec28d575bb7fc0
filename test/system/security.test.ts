import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Router } from '../../src/contract/router.ts';
import { ownPrefix } from '../../src/lab/scratch-network.ts';
import { eventually } from '../support/eventually.ts';
import { TestPinhole } from '../support/pinhole.ts';
import { ADDRESSES, RouterLab } from '../support/router-lab.ts';

const PREFIX = `${ownPrefix('pht')}-security`;
const { v4 } = ADDRESSES;

describe('ports that helpers open, and confinement', () => {
  const lab = new RouterLab(PREFIX);
  const pinhole = new TestPinhole(PREFIX);
  let router: Router;

  beforeAll(async () => {
    await lab.build();
    await lab.startPeer('server', 'forged-port-server.mjs', { address: v4.server });
    await pinhole.start();
    router = await pinhole.addRouter(lab.router);
  });
  afterAll(async () => {
    await pinhole.stop();
    await lab.destroy();
  });

  const forge = async (port: number) =>
    (await lab.peer<{ connected: boolean }>('client', 'forged-port-client.mjs', { own: v4.client, server: v4.server, port })).connected;

  it('a forged PORT opens the client’s ports; confinement keeps low and listed ports closed, and data ports open', async () => {
    const { id } = await pinhole.addHelper(router.id, 'ftp', 'tcp', 21);
    await pinhole.settled(router.id);
    expect([await forge(22), await forge(3306), await forge(40000)]).toEqual([true, true, true]);
    await pinhole.call('PUT', `/v1/routers/${router.id}`, { confine: true });
    await pinhole.settled(router.id);
    expect([await forge(22), await forge(3306), await forge(40000)]).toEqual([false, false, true]);
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
