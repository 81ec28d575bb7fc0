import type { Expectation } from '../../src/contract/expectation.ts';

/** What the kernel expects after an FTP client has announced a port. */
export const EXPECTATION: Expectation = {
  helper: 'ftp',
  protocol: 'tcp',
  source: '192.0.2.1',
  destination: '192.0.2.2',
  port: 40_000,
  master: { source: '192.0.2.2', destination: '192.0.2.1', port: 21 },
};
