import { findHelper, type Protocol } from '../model/catalogue.ts';
import { documented, list, mapped, nullable, withDefault } from './compounds.ts';
import { CONFINE_INPUT } from './confinement.ts';
import { Mismatch } from './mismatch.ts';
import { HOST_NETNS, NETNS } from './netns.ts';
import {
  DESCRIPTION,
  HELPER_NAME,
  HOST_NAME,
  MAX_HELPERS_PER_ROUTER,
  NAME,
  PORT,
  PROJECT_ID,
  ROUTER_ID,
  TIME,
  TRANSPORT,
} from './primitives.ts';
import { record } from './record.ts';
import { BOOLEAN } from './scalars.ts';
import { SCOPE_FIELDS, type Scope, scopeOf } from './scope.ts';
import type { Of, Shape } from './shape.ts';

/**
 * The file format of `apply`, `diff` and `export`: routers and their helpers. What `export` writes, `apply` reads back to the same
 * routers.
 */

const HELPER_WIRE = record({
  helper: HELPER_NAME,
  protocol: nullable(TRANSPORT),
  port: nullable(PORT),
  ...SCOPE_FIELDS,
  expiresAt: documented(nullable(TIME), 'null, or left out: as it is'),
});

/** A helper in a file, with the defaults for protocol and port filled in. Null `expiresAt` leaves the time as it is. */
export interface ManifestHelper {
  readonly helper: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly scope: Scope | null;
  readonly expiresAt: string | null;
}

/** The protocol may be missing if the helper has only one, and the port if the helper has a usual one. */
const MANIFEST_HELPER: Shape<ManifestHelper> = mapped(
  HELPER_WIRE,
  ({ helper, protocol: given, port, expiresAt, source, destination, inInterface }) => {
    const protocol = given ?? onlyProtocol(helper);
    return {
      helper,
      protocol,
      port: port ?? usualPort(helper, protocol),
      scope: scopeOf({ source, destination, inInterface }),
      expiresAt,
    };
  },
  ({ scope, ...rest }) => ({ ...rest, ...(scope ?? { source: null, destination: null, inInterface: null }) }),
);

const ROUTER_WIRE = record(
  {
    id: documented(nullable(ROUTER_ID), 'tells routers apart whose name is empty or not theirs alone'),
    name: withDefault(NAME, ''),
    description: documented(nullable(DESCRIPTION), 'null, or left out: as it is'),
    netns: nullable(NETNS),
    hostNetns: withDefault(BOOLEAN, false),
    host: documented(nullable(HOST_NAME), 'null, or left out: as it is'),
    project: documented(nullable(PROJECT_ID), 'null, or left out: as it is'),
    confinement: withDefault(CONFINE_INPUT, null),
    helpers: withDefault(list(MANIFEST_HELPER, MAX_HELPERS_PER_ROUTER), []),
  },
  { confinement: 'confine' },
);

/** A router in a file. Null leaves a field as it is, except for `netns`: a file without a namespace means that the router has none. */
export type ManifestRouter = Omit<Of<typeof ROUTER_WIRE>, 'hostNetns'>;

const MANIFEST_ROUTER: Shape<ManifestRouter> = mapped(
  ROUTER_WIRE,
  ({ hostNetns, netns, ...rest }) => {
    if (hostNetns && netns !== null) throw new Mismatch('nothing beside host_netns', 'netns');
    if (rest.name === '' && rest.id === null) throw new Mismatch('a name that is not empty, or an id', 'name');
    return { ...rest, netns: hostNetns ? HOST_NETNS : netns };
  },
  ({ netns, ...rest }) => ({ ...rest, netns: netns === HOST_NETNS ? null : netns, hostNetns: netns === HOST_NETNS }),
);

const MAX_ROUTERS = 100_000;

/** A whole file. No two routers have the same id, or the same name without ids. */
export const MANIFEST = mapped(
  record({ routers: list(MANIFEST_ROUTER, MAX_ROUTERS) }),
  (manifest) => {
    const seen = new Set<string>();
    for (const [index, { id, name }] of manifest.routers.entries()) {
      const key = id ?? `name ${name}`;
      if (seen.has(key)) {
        const field = id === null ? 'name' : 'id';
        throw new Mismatch(`${field === 'id' ? 'an id' : 'a name'} that no other router of this file has`, 'routers', index, field);
      }
      seen.add(key);
    }
    return manifest;
  },
  (manifest) => manifest,
);
export type Manifest = Of<typeof MANIFEST>;

/** Returns the protocol of a helper that has only one. @throws Mismatch for an unknown helper, or one with several protocols */
function onlyProtocol(helper: string): Protocol {
  const usable = Object.entries(protocolsOf(helper)).filter(([, { kernel }]) => kernel !== null);
  const [only] = usable;
  if (usable.length === 1 && only) return only[0] as Protocol;
  throw new Mismatch(`a protocol: ${helper} uses ${Object.keys(protocolsOf(helper)).join(' and ')}`, 'protocol');
}

function usualPort(helper: string, protocol: Protocol): number {
  const port = protocolsOf(helper)[protocol]?.port;
  if (port === undefined) throw new Mismatch(`a port: ${helper} has no usual one for ${protocol}`, 'port');
  return port;
}

function protocolsOf(helper: string) {
  const known = findHelper(helper);
  if (!known) throw new Mismatch('a helper of the catalogue', 'helper');
  return known.protocols;
}
