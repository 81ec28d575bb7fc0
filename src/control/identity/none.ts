import { withRole } from '../principal.ts';
import type { Identity } from './interface.ts';

/** Every request is an admin's. For a socket that only its owner can open, or a test on loopback. */
export const noIdentity: Identity = {
  challenge: 'Bearer',
  asksElsewhere: false,
  authenticate: async ({ requestId }) => withRole({ name: 'anonymous', projectId: null }, 'admin', requestId),
};
