import { createHash } from 'node:crypto';
import { items, mapped } from './compounds.ts';
import { CONFINE } from './confinement.ts';
import { DESIRED_HELPER, type DesiredHelper } from './helper.ts';
import { NETNS } from './netns.ts';
import { MAX_HELPERS_PER_ROUTER, NAME, REVISION, ROUTER_ID } from './primitives.ts';
import { record } from './record.ts';
import type { Of, Shape } from './shape.ts';

/** A part of a peer's message that could not be read: what it is called, and why it is refused. */
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

/** What a router's kernel should hold, as an agent pulls it. */
export interface DesiredRouter extends Of<ReturnType<typeof record<typeof FIELDS>>> {
  readonly helpers: readonly DesiredHelper[];
  /** Helpers that the sender described in a way that cannot be read: they are not applied, and their status says why. */
  readonly refused?: readonly Refused[];
}

/** A helper that cannot be read costs its router's other helpers nothing. */
export const DESIRED_ROUTER: Shape<DesiredRouter> = mapped(
  WIRE,
  ({ helpers, ...fields }) => ({
    ...fields,
    helpers: helpers.flatMap((item) => (item.ok ? [item.value] : [])),
    refused: helpers.flatMap((item) => (item.ok ? [] : [{ id: item.key ?? '', reason: `helpers${item.error.message}` }])),
  }),
  ({ refused: _, helpers, ...fields }) => ({ ...fields, helpers: helpers.map((value) => ({ ok: true as const, value })) }),
);

/** What two sides compare instead of sending everything: which routers there are, and their revisions. */
export function routersDigest(routers: readonly Pick<DesiredRouter, 'id' | 'revision'>[]): string {
  const lines = routers.map(({ id, revision }) => `${id} ${revision}\n`).sort();
  return createHash('sha256').update(lines.join('')).digest('hex');
}
