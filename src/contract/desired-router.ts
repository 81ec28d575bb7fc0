import { createHash } from 'node:crypto';
import { items, mapped } from './compounds.ts';
import { CONFINE } from './confinement.ts';
import { DESIRED_HELPER, type DesiredHelper } from './helper.ts';
import { itemOf } from './mismatch.ts';
import { NETNS } from './netns.ts';
import { MAX_HELPERS_PER_ROUTER, NAME, REVISION, ROUTER_ID } from './primitives.ts';
import { record } from './record.ts';
import type { Of, Shape } from './shape.ts';

/** A part of a peer's message that could not be read: its id as far as known, and the reason. */
export interface Refused {
  readonly id: string;
  readonly reason: string;
}

const FIELDS = {
  id: ROUTER_ID,
  name: NAME,
  netns: NETNS,
  revision: REVISION,
  confinement: CONFINE,
};
const WIRE = record({ ...FIELDS, helpers: items(DESIRED_HELPER, MAX_HELPERS_PER_ROUTER, 'id') }, { confinement: 'confine' });

/** What a router's kernel should contain, as an agent pulls it. */
export interface DesiredRouter extends Of<ReturnType<typeof record<typeof FIELDS>>> {
  readonly helpers: readonly DesiredHelper[];
  /** Helpers that could not be read. They are not applied, and their status says why. */
  readonly refused?: readonly Refused[];
}

/** A helper that cannot be read does not affect the router's other helpers. */
export const DESIRED_ROUTER: Shape<DesiredRouter> = mapped(
  WIRE,
  ({ helpers, ...fields }) => ({
    ...fields,
    helpers: helpers.flatMap((item) => (item.ok ? [item.value] : [])),
    refused: helpers.flatMap((item) => (item.ok ? [] : [{ id: item.key ?? '', reason: `helpers${item.error.message}` }])),
  }),
  ({ refused: _, helpers, ...fields }) => ({ ...fields, helpers: helpers.map(itemOf) }),
);

/**
 * Returns the SHA-256, in hex, of ids and revisions, whatever their order. A server and an agent compare it before they exchange
 * more.
 */
export function routersDigest(routers: readonly Pick<DesiredRouter, 'id' | 'revision'>[]): string {
  const lines = routers.map(({ id, revision }) => `${id} ${revision}\n`).sort();
  return createHash('sha256').update(lines.join('')).digest('hex');
}
