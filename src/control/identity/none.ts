import { withRole } from '../principal.ts';
import type { Identity } from './interface.ts';

/** Everybody who can reach the listener is admin: for a socket that only its owner can open, or a test on loopback. */
export const noIdentity: Identity = {
  challenge: 'Bearer',
  authenticate: async ({ requestId }) => withRole({ name: 'anybody', projectId: null }, 'admin', requestId),
};
