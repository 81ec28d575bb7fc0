import { documented, nullable, optional, withDefault } from './compounds.ts';
import { CONFINE, CONFINE_INPUT } from './confinement.ts';
import { LABEL_CHANGES, LABELS, type Labels } from './labels.ts';
import { NETNS } from './netns.ts';
import { DESCRIPTION, HOST_NAME, NAME, PROJECT_ID, REVISION, ROUTER_ID, TIME } from './primitives.ts';
import { partial, record } from './record.ts';
import type { Of } from './shape.ts';

const HOST = documented(nullable(HOST_NAME), 'the host whose agent serves the router; null: none');
const NAMESPACE = documented(nullable(NETNS), "its network namespace on that host; '/' is the host's own, null: none");

/** The labels of a router in an answer of a server that does not know labels yet. */
const NO_LABELS: Labels = {};

/** `confinement` is called `confine` wherever people read or write it. */
const NAMES = { confinement: 'confine' } as const;

/** A router, as the API shows it. */
export const ROUTER = record(
  {
    id: ROUTER_ID,
    name: NAME,
    description: DESCRIPTION,
    projectId: PROJECT_ID,
    host: HOST,
    netns: NAMESPACE,
    revision: documented(REVISION, 'goes up by one with every change of the router or of its helpers'),
    confinement: documented(CONFINE, 'how related connections are confined; false: not'),
    labels: documented(withDefault(LABELS, NO_LABELS), 'keys and values by which operators select routers'),
    createdAt: TIME,
    updatedAt: TIME,
  },
  NAMES,
);

/** A declared router: a network namespace on one host. An agent serves it only if host and namespace are not null. */
export type Router = Of<typeof ROUTER>;

/** The body of a request that creates or changes a router. */
export const ROUTER_INPUT = partial(
  {
    name: NAME,
    description: DESCRIPTION,
    projectId: PROJECT_ID,
    host: HOST,
    netns: NAMESPACE,
    confinement: documented(
      CONFINE_INPUT,
      'true: with the usual ports and rate; false: not; left out of a new router: as the server confines new ones',
    ),
    labels: documented(LABELS, 'all labels of the router'),
  },
  NAMES,
);
export type RouterInput = Of<typeof ROUTER_INPUT>;

const { labels: _, ...patched } = ROUTER_INPUT.fields;
/** The body of a request that changes a router, in which `labels` names the labels that change. */
export const ROUTER_PATCH = record({ ...patched, labels: optional(documented(LABEL_CHANGES, 'null removes a label')) }, NAMES);
export type RouterPatch = Of<typeof ROUTER_PATCH>;
