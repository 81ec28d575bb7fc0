import { statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { HOST_NETNS } from '../../src/contract/netns.ts';
import { LinuxKernel } from '../../src/kernel/linux/linux-kernel.ts';
import { netnsPath } from '../../src/kernel/linux/opener.ts';
import { ownPrefix, ScratchNetwork } from '../../src/lab/scratch-network.ts';
import { unwrap } from '../../src/model/errors.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import { eventually } from '../support/eventually.ts';
import { kernelContract } from '../support/kernel-contract.ts';
import { libcWithoutCookies, linuxHarness, openedHarness, remoteHarness } from '../support/real-kernel.ts';

kernelContract('Linux', () => linuxHarness(`${ownPrefix('pht')}-kernel`));
kernelContract('Linux, behind its socket', () => remoteHarness(`${ownPrefix('pht')}-remote`));
kernelContract('Linux, through the opener', () => openedHarness(`${ownPrefix('pht')}-opened`));
kernelContract('Linux without namespace cookies, behind its socket', () => remoteHarness(`${ownPrefix('pht')}-old`, libcWithoutCookies()));

describe('the identity of a namespace on a kernel without cookies', () => {
  /** As a kernel process sees it that starts now and ends at once. */
  async function identity(netns: string): Promise<string> {
    const kernel = new LinuxKernel({ allowed: () => true, logger: silentLogger, libc: libcWithoutCookies() });
    try {
      const [result] = await kernel.observe([{ netns, known: null }]);
      if (!result) throw new Error('no result');
      const observed = unwrap(result);
      if (observed.unchanged) throw new Error('unchanged, though nothing was known');
      return observed.cookie;
    } finally {
      await kernel.close();
    }
  }

  it('outlasts the kernel process, and differs for a later namespace with the same name and inode number', async () => {
    const network = new ScratchNetwork(`${ownPrefix('pht')}-reborn`);
    const inode = () => statSync(netnsPath(network.netns('a'))).ino;
    try {
      await network.addHost('a');
      let born = { before: '', after: '' };
      // Another program may take the number meanwhile: after some attempts, the one of that time is tried.
      const isBornAgain = async () => {
        const before = { identity: await identity(network.netns('a')), inode: inode() };
        expect(await identity(network.netns('a'))).toBe(before.identity);
        for (let attempt = 0; attempt < 20; attempt++) {
          await network.removeHost('a');
          await network.addHost('a');
          if (inode() !== before.inode) continue;
          born = { before: before.identity, after: await identity(network.netns('a')) };
          return true;
        }
        return false;
      };
      await eventually(isBornAgain, { what: 'the kernel uses the inode number again', timeoutMs: 60_000 });
      expect(born.after).not.toBe(born.before);
    } finally {
      await network.destroy();
    }
  }, 90_000);

  it("is the same for the host's own namespace, whichever process asks", async () => {
    expect(await identity(HOST_NETNS)).toBe(await identity(HOST_NETNS));
  });
});
