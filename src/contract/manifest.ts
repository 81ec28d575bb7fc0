import { findHelper, type Protocol } from '../model/catalogue.ts';
import { dictionary, documented, list, mapped, nullable, withDefault } from './compounds.ts';
import { CONFINE_INPUT, type Confinement } from './confinement.ts';
import type { ConntrackHelper } from './helper.ts';
import { LABELS } from './labels.ts';
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
import type { Router } from './router.ts';
import { BOOLEAN, text } from './scalars.ts';
import { SCOPE_FIELDS, type Scope, scopeOf } from './scope.ts';
import { inside, type Of, type Shape } from './shape.ts';
import { TTL } from './ttl.ts';

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
  ttl: documented(nullable(TTL), 'at most so long from now on; an earlier end stays'),
});

/**
 * A helper in a file, with the defaults for protocol and port filled in. Null `expiresAt` leaves the time as it is. `ttl`, in seconds,
 * gives a helper without an end one, and a later end becomes this one; not beside `expiresAt`.
 */
export interface ManifestHelper {
  readonly helper: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly scope: Scope | null;
  readonly expiresAt: string | null;
  readonly ttl: number | null;
}

/** The protocol may be missing if the helper has only one, and the port if the helper has a usual one. */
const MANIFEST_HELPER: Shape<ManifestHelper> = mapped(
  HELPER_WIRE,
  ({ helper, protocol: given, port, expiresAt, ttl, source, destination, inInterface }) => {
    if (expiresAt !== null && ttl !== null) throw new Mismatch('nothing beside expires_at', 'ttl');
    const protocol = given ?? onlyProtocol(helper);
    return {
      helper,
      protocol,
      port: port ?? usualPort(helper, protocol),
      scope: scopeOf({ source, destination, inInterface }),
      expiresAt,
      ttl,
    };
  },
  ({ scope, ...rest }) => ({ ...rest, ...(scope ?? { source: null, destination: null, inInterface: null }) }),
);

const HELPER_LIST = list(MANIFEST_HELPER, MAX_HELPERS_PER_ROUTER);
/** The name of a list of helpers. */
const PROFILE_NAME = text({ max: 64, min: 1, pattern: /^[A-Za-z0-9][A-Za-z0-9_.-]*$/, what: 'the name of a profile' });
const MAX_PROFILES = 1_000;
const MAX_PROFILES_PER_ROUTER = 32;

/** `confine` in a file: false where a router is not to be confined, because null leaves it as it is. */
const MANIFEST_CONFINE: Shape<Confinement | false> = mapped(
  CONFINE_INPUT,
  (confinement) => confinement ?? false,
  (confinement) => confinement || null,
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
    confinement: documented(nullable(MANIFEST_CONFINE), 'null, or left out: as it is, and as the server confines new routers'),
    labels: documented(nullable(LABELS), 'all labels; null, or left out: as they are'),
    profiles: documented(nullable(list(PROFILE_NAME, MAX_PROFILES_PER_ROUTER)), 'names of lists of helpers that the router has too'),
    helpers: withDefault(HELPER_LIST, []),
  },
  { confinement: 'confine' },
);

/** A router as a file has it, with the names of its profiles. */
type RouterDocument = Omit<Of<typeof ROUTER_WIRE>, 'hostNetns'>;
/** A router with the helpers of its profiles. Null leaves a field as it is, except for `netns`: null means that the router has none. */
export type ManifestRouter = Omit<RouterDocument, 'profiles'>;

const ROUTER_DOCUMENT: Shape<RouterDocument> = mapped(
  ROUTER_WIRE,
  ({ hostNetns, netns, ...rest }) => {
    if (hostNetns && netns !== null) throw new Mismatch('nothing beside host_netns', 'netns');
    if (rest.name === '' && rest.id === null) throw new Mismatch('a name that is not empty, or an id', 'name');
    return { ...rest, netns: hostNetns ? HOST_NETNS : netns };
  },
  ({ netns, ...rest }) => ({ ...rest, netns: netns === HOST_NETNS ? null : netns, hostNetns: netns === HOST_NETNS }),
);

const MAX_ROUTERS = 100_000;
/** Maximum size of a file, and of a request that carries one, in bytes. */
export const MAX_MANIFEST_BYTES = 8 * 1024 * 1024;

/** One document of a file: profiles that routers of any document of the file may name, and routers. */
export const MANIFEST_DOCUMENT = record({
  profiles: documented(withDefault(dictionary(PROFILE_NAME, HELPER_LIST, MAX_PROFILES), {}), 'named lists of helpers'),
  routers: list(ROUTER_DOCUMENT, MAX_ROUTERS),
});
export type ManifestDocument = Of<typeof MANIFEST_DOCUMENT>;

/** A whole file. No two routers have the same id, or the same name without ids. */
export const MANIFEST = mapped<ManifestDocument, { readonly routers: readonly ManifestRouter[] }>(
  MANIFEST_DOCUMENT,
  ({ profiles, routers }) => {
    refuseTwins(routers);
    return { routers: routers.map((router, index) => inside('routers', () => inside(index, () => withProfiles(router, profiles)))) };
  },
  ({ routers }) => ({ profiles: {}, routers: routers.map((router) => ({ ...router, profiles: null })) }),
);
export type Manifest = Of<typeof MANIFEST>;

function refuseTwins(routers: readonly RouterDocument[]): void {
  const seen = new Set<string>();
  for (const [index, { id, name }] of routers.entries()) {
    const key = id ?? `name ${name}`;
    if (seen.has(key)) {
      const field = id === null ? 'name' : 'id';
      throw new Mismatch(`${field === 'id' ? 'an id' : 'a name'} that no other router of this file has`, 'routers', index, field);
    }
    seen.add(key);
  }
}

/** A helper of a profile is left out for a router that has an own one with the same name, protocol and port. @throws Mismatch */
function withProfiles({ profiles: names, ...router }: RouterDocument, profiles: ManifestDocument['profiles']): ManifestRouter {
  const keyOf = ({ helper, protocol, port }: ManifestHelper) => `${helper} ${protocol}/${port}`;
  const own = new Set(router.helpers.map(keyOf));
  const added = (names ?? []).flatMap((name, index) => {
    const profile = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
    if (!profile) throw new Mismatch(`a profile of this file: it has no '${name}'`, 'profiles', index);
    return profile.filter((helper) => !own.has(keyOf(helper)));
  });
  if (router.helpers.length + added.length > MAX_HELPERS_PER_ROUTER)
    throw new Mismatch(`at most ${MAX_HELPERS_PER_ROUTER} helpers with those of profiles`, 'profiles');
  return { ...router, helpers: [...router.helpers, ...added] };
}

/** A router that is declared now, with its helpers: what a manifest is compared with. */
export interface Declared {
  readonly router: Router;
  readonly helpers: readonly DeclaredHelper[];
}

/** The fields of a declared helper that are compared. */
export type DeclaredHelper = Pick<ConntrackHelper, 'id' | 'protocol' | 'port' | 'helper' | 'scope' | 'expiresAt'>;

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
