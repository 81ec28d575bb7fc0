import { createHash } from 'node:crypto';
import type { HelperId, Scope } from './conntrack-helper.ts';
import type { Netns } from './netns.ts';
import { parseNetns } from './netns.ts';
import type { Reader } from './reader.ts';
import type { Confinement, RouterId } from './router.ts';

/** What a router's kernel should hold, as an agent pulls it. */
export interface DesiredHelper {
  readonly id: HelperId;
  readonly protocol: string;
  readonly port: number;
  readonly helper: string;
  readonly scope: Scope | null;
  readonly expiresAt: string | null;
}

export interface DesiredRouter {
  readonly id: RouterId;
  readonly name: string;
  readonly netns: Netns;
  readonly revision: number;
  readonly confinement: Confinement | null;
  readonly helpers: readonly DesiredHelper[];
}

/** An id of Pinhole's, or the name of the namespace that a cloud's router is served in. */
const ROUTER_ID = /^(?:(?:qrouter|snat)-)?[0-9a-f-]{36}$/;

/** Bounds on what an agent takes from a server for one router. */
export const MAX_HELPERS_A_ROUTER = 1000;
export const MAX_BLOCKED_PORTS = 256;

/** Reads a router as it came over the bus or from disk. @throws PinholeError `invalid-message` naming the field */
export function readDesiredRouter(reader: Reader): DesiredRouter {
  const fields = reader.object('id', 'name', 'netns', 'revision', 'confinement', 'helpers');
  return {
    id: fields.id.string(64, ROUTER_ID) as RouterId,
    name: fields.name.string(255),
    netns: fields.netns.use((value) => parseNetns(value, fields.netns.path)),
    revision: fields.revision.integer(0, Number.MAX_SAFE_INTEGER),
    confinement: fields.confinement.nullable(readConfinement),
    helpers: fields.helpers.array(MAX_HELPERS_A_ROUTER, readDesiredHelper),
  };
}

function readConfinement(reader: Reader): Confinement {
  const fields = reader.object('blockedPorts', 'ratePerSecond');
  return {
    blockedPorts: fields.blockedPorts.array(MAX_BLOCKED_PORTS, (port) => port.integer(1, 65535)),
    ratePerSecond: fields.ratePerSecond.integer(1, 1_000_000),
  };
}

export function readDesiredHelper(reader: Reader): DesiredHelper {
  const fields = reader.object('id', 'protocol', 'port', 'helper', 'scope', 'expiresAt');
  return {
    id: fields.id.string(64, /^[0-9a-f-]{36}$/) as HelperId,
    protocol: fields.protocol.string(16, /^[a-z0-9-]+$/),
    port: fields.port.integer(1, 65535),
    helper: fields.helper.string(64, /^[A-Za-z0-9._-]+$/),
    scope: fields.scope.nullable(readScope),
    expiresAt: fields.expiresAt.nullable((value) => value.string(32, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)),
  };
}

function readScope(reader: Reader): Scope {
  const fields = reader.object('source', 'destination', 'inInterface');
  return {
    source: fields.source.nullable((value) => value.string(64, /^[0-9a-f:./]+$/)),
    destination: fields.destination.nullable((value) => value.string(64, /^[0-9a-f:./]+$/)),
    inInterface: fields.inInterface.nullable((value) => value.string(15, /^[A-Za-z0-9_.:@-]+$/)),
  };
}

/** What two sides compare instead of sending everything: which routers there are, and their revisions. */
export function routersDigest(routers: readonly Pick<DesiredRouter, 'id' | 'revision'>[]): string {
  const lines = routers.map(({ id, revision }) => `${id} ${revision}\n`).sort();
  return createHash('sha256').update(lines.join('')).digest('hex');
}
