import type { Family } from '../model/catalogue.ts';
import { mapped, nullable } from './compounds.ts';
import { Mismatch } from './mismatch.ts';
import { INTERFACE_NAME, NETWORK } from './primitives.ts';
import { record } from './record.ts';
import type { Of } from './shape.ts';

/** The parts of a scope, in the order in which they are shown. */
export const SCOPE_FIELDS = {
  source: nullable(NETWORK),
  destination: nullable(NETWORK),
  inInterface: nullable(INTERFACE_NAME),
};

const PARTS = record(SCOPE_FIELDS);

/** Narrows a helper to some of a router's traffic; all parts that are not null must match. Networks are in canonical form. */
export type Scope = Of<typeof PARTS>;

/** A scope; null for all of the router's traffic, which is also what a scope without parts means. */
export const SCOPE = mapped<Scope | null, Scope | null>(
  nullable(PARTS),
  (parts) => parts && scopeOf(parts),
  (scope) => scope,
);

/** @throws Mismatch for networks of two families. @returns null for no part */
export function scopeOf(parts: Scope): Scope | null {
  const { source, destination, inInterface } = parts;
  if (source && destination && source.includes(':') !== destination.includes(':'))
    throw new Mismatch('a network of the same address family as source', 'destination');
  return source || destination || inInterface ? parts : null;
}

/** The family that a scope's networks are of, or null where it holds for both. */
export function scopeFamily(scope: Scope | null): Family | null {
  const network = scope?.source ?? scope?.destination;
  if (!network) return null;
  return network.includes(':') ? 'ipv6' : 'ipv4';
}

/** Canonical text of a scope: part of the unique key of a helper, and what people see. Empty for none. */
export function formatScope(scope: Scope | null): string {
  if (!scope) return '';
  const parts = [
    scope.source && `from ${scope.source}`,
    scope.destination && `to ${scope.destination}`,
    scope.inInterface && `in ${scope.inInterface}`,
  ];
  return parts.filter(Boolean).join(' ');
}
