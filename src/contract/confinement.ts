import { EitherShape, list, mapped, withDefault } from './compounds.ts';
import { PORT } from './primitives.ts';
import { record } from './record.ts';
import { BOOLEAN, integer, literal } from './scalars.ts';
import type { Of, Shape } from './shape.ts';

const BLOCKED_PORTS = list(PORT, 256);
/** Connections per second. */
export const RATE = integer(1, 1_000_000);

export const CONFINEMENT = record({ blockedPorts: BLOCKED_PORTS, ratePerSecond: RATE });
/** Limits for the related connections that helpers announce: their data protocol only, no low or listed ports, and a maximum rate. */
export type Confinement = Of<typeof CONFINEMENT>;

/** Ports of databases, message brokers, proxies, file services, clusters and administration services, and a rate. */
export const DEFAULT_CONFINEMENT: Confinement = {
  blockedPorts: [
    1080, 1433, 2049, 2375, 2376, 2379, 3128, 3306, 3389, 5432, 5672, 5900, 5985, 6379, 6443, 8080, 8443, 9090, 9200, 10250, 11211, 15672,
    27017,
  ],
  ratePerSecond: 100,
};

const isBoolean = (value: unknown): boolean => typeof value === 'boolean';

/** `confine` as the API shows it and agents pull it: false, or ports and rate. */
export const CONFINE: Shape<Confinement | null> = new EitherShape<Confinement | null>(
  [
    {
      when: isBoolean,
      shape: mapped(
        literal(false),
        (): null => null,
        () => false as const,
      ),
    },
    { when: () => true, shape: CONFINEMENT },
  ],
  (confinement) => (confinement === null ? 0 : 1),
);

const GIVEN = record({
  blockedPorts: withDefault(BLOCKED_PORTS, DEFAULT_CONFINEMENT.blockedPorts),
  ratePerSecond: withDefault(RATE, DEFAULT_CONFINEMENT.ratePerSecond),
});

/**
 * `confine` as people write it: true, false, or those of ports and rate that differ from the defaults. It is written in full. The value
 * is null for false.
 */
export const CONFINE_INPUT: Shape<Confinement | null> = new EitherShape<Confinement | null>(
  [
    {
      when: isBoolean,
      shape: mapped(
        BOOLEAN,
        (on) => (on ? DEFAULT_CONFINEMENT : null),
        (confinement) => confinement !== null,
      ),
    },
    { when: () => true, shape: GIVEN },
  ],
  (confinement) => (confinement === null ? 0 : 1),
);
