import { kernelContract } from '../support/kernel-contract.ts';
import { linuxHarness, remoteHarness } from '../support/real-kernel.ts';

kernelContract('Linux', () => linuxHarness('pht-kernel'));
kernelContract('Linux, behind its socket', () => remoteHarness('pht-remote'));
