import { documented, list, nullable, optional } from './compounds.ts';
import { HELPER_ID, HELPER_NAME, PORT, PROTOCOL_NAME, REASON, REVISION, type RouterId, TIME } from './primitives.ts';
import { partial, record } from './record.ts';
import { oneOf } from './scalars.ts';
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

/** Why a helper that was declared will not work, or not for all of its connections. `partly`: in some families, or some of its scope. */
export const HELPER_WARNING = record({
  code: oneOf('impossible', 'partly-impossible', 'shadowed', 'partly-shadowed'),
  message: REASON,
});
export type HelperWarning = Of<typeof HELPER_WARNING>;
/** Most warnings about one helper. */
export const MAX_WARNINGS = 4;

/** The answer to a request that creates or changes a helper. */
export const HELPER_ANSWER = record({
  ...HELPER.fields,
  warnings: documented(
    list(HELPER_WARNING, MAX_WARNINGS),
    'why it will not work, or not for all of its connections, as far as is known now',
  ),
});

/** The body of a request that creates a helper. */
export const HELPER_CREATE = record({ ...DECLARED, scope: optional(LATER.scope), expiresAt: optional(LATER.expiresAt) });
export type HelperInput = Of<typeof HELPER_CREATE>;

/** The body of a request that changes a helper. A missing field stays as it is. */
export const HELPER_UPDATE = partial({ ...DECLARED, ...LATER });
export type HelperChange = Of<typeof HELPER_UPDATE>;

/** A helper without id and revision: what a person declares. */
export const DECLARED_HELPER = record({ ...DECLARED, ...LATER });
export type DeclaredFields = Of<typeof DECLARED_HELPER>;

/** A helper as an agent pulls it. */
export const DESIRED_HELPER = record({ id: HELPER_ID, ...DECLARED, ...LATER });
export type DesiredHelper = Of<typeof DESIRED_HELPER>;
