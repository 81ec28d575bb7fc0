import type { Family } from '../model/catalogue.ts';
import { mapped, nullable } from './compounds.ts';
import { Mismatch } from './mismatch.ts';
import { INTERFACE_NAME, NETWORK } from './primitives.ts';
import { record } from './record.ts';
import type { Of } from './shape.ts';

/** The parts of a scope, in the order in which people see them. */
export const SCOPE_FIELDS = {
  source: nullable(NETWORK),
  destination: nullable(NETWORK),
  inInterface: nullable(INTERFACE_NAME),
};

const PARTS = record(SCOPE_FIELDS);

/** Restricts a helper to some of a router's traffic. All parts that are not null must match. Networks are in canonical form. */
export type Scope = Of<typeof PARTS>;

/** A scope, or null for all of the router's traffic. A scope without parts is read as null. */
export const SCOPE = mapped<Scope | null, Scope | null>(
  nullable(PARTS),
  (parts) => parts && scopeOf(parts),
  (scope) => scope,
);

/** Returns the scope with these parts; null if there are none. @throws Mismatch for networks of two address families */
export function scopeOf(parts: Scope): Scope | null {
  const { source, destination, inInterface } = parts;
  if (source && destination && source.includes(':') !== destination.includes(':'))
    throw new Mismatch('a network of the same address family as source', 'destination');
  return source || destination || inInterface ? parts : null;
}

/** Returns the address family of a scope's networks; null if the scope applies to both families. */
export function scopeFamily(scope: Scope | null): Family | null {
  const network = scope?.source ?? scope?.destination;
  if (!network) return null;
  return network.includes(':') ? 'ipv6' : 'ipv4';
}

/** Returns a scope as text for people, like `from 192.0.2.0/24 in eth0`; empty for null. Equal scopes have equal text. */
export function formatScope(scope: Scope | null): string {
  if (!scope) return '';
  const parts = [
    scope.source && `from ${scope.source}`,
    scope.destination && `to ${scope.destination}`,
    scope.inInterface && `in ${scope.inInterface}`,
  ];
  return parts.filter(Boolean).join(' ');
}
