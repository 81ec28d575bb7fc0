import { ownPrefix } from '../../src/lab/scratch-network.ts';
import { kernelContract } from '../support/kernel-contract.ts';
import { linuxHarness, remoteHarness } from '../support/real-kernel.ts';

kernelContract('Linux', () => linuxHarness(`${ownPrefix('pht')}-kernel`));
kernelContract('Linux, behind its socket', () => remoteHarness(`${ownPrefix('pht')}-remote`));
