import { documented, nullable } from './compounds.ts';
import { HELPER_CREATE, HELPER_UPDATE } from './helper.ts';
import { HELPER_NAME, PORT, PROTOCOL_NAME } from './primitives.ts';
import { partial, record, tagged } from './record.ts';
import { literal } from './scalars.ts';
import type { Of } from './shape.ts';

/** Which helpers of each router. */
const WHICH = record({
  helper: HELPER_NAME,
  protocol: documented(nullable(PROTOCOL_NAME), 'null: any'),
  port: documented(nullable(PORT), 'null: any'),
});
export type Which = Of<typeof WHICH>;

const { port, scope, expiresAt } = HELPER_UPDATE.fields;
const CHANGE = partial({ port: port.inner, scope: scope.inner, expiresAt: expiresAt.inner });

/** A change of the helpers of many routers. */
export const BULK = tagged('action', {
  /** Routers that have the helper already keep it. */
  add: record({ action: literal('add'), helper: HELPER_CREATE }),
  /** Of each router at most one helper may match. */
  set: record({ action: literal('set'), which: WHICH, change: CHANGE }),
  remove: record({ action: literal('remove'), which: WHICH }),
});
export type Bulk = Of<typeof BULK>;
