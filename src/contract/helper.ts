import { documented, nullable, optional } from './compounds.ts';
import { HELPER_ID, HELPER_NAME, PORT, PROTOCOL_NAME, REVISION, type RouterId, TIME } from './primitives.ts';
import { partial, record } from './record.ts';
import { SCOPE } from './scope.ts';
import type { Of } from './shape.ts';

/** The declared properties of a helper, without its id. */
const DECLARED = {
  protocol: documented(PROTOCOL_NAME, 'tcp or udp'),
  port: documented(PORT, 'the destination port of new connections that get the helper'),
  helper: documented(HELPER_NAME, 'a name of the catalogue, like ftp'),
};
const LATER = {
  scope: documented(SCOPE, "narrows the helper to some of the router's traffic; null: all of it"),
  expiresAt: documented(nullable(TIME), 'when the helper ends by itself; null: never'),
};

/** A conntrack helper, as the API shows it. */
export const HELPER = record({ id: HELPER_ID, ...DECLARED, ...LATER, revision: REVISION });

/** One declared conntrack helper. `protocol` may be any that the API accepts; the catalogue knows which of them kernels have. */
export type ConntrackHelper = Of<typeof HELPER> & { readonly routerId: RouterId };

/** The body of a request that creates a helper. */
export const HELPER_CREATE = record({ ...DECLARED, scope: optional(LATER.scope), expiresAt: optional(LATER.expiresAt) });
export type HelperInput = Of<typeof HELPER_CREATE>;

/** The body of a request that changes a helper. A missing field stays as it is. */
export const HELPER_UPDATE = partial({ ...DECLARED, ...LATER });
export type HelperChange = Of<typeof HELPER_UPDATE>;

/** A helper as an agent pulls it. */
export const DESIRED_HELPER = record({ id: HELPER_ID, ...DECLARED, ...LATER });
export type DesiredHelper = Of<typeof DESIRED_HELPER>;
