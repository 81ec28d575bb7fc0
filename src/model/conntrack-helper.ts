import { formatNetwork, parseNetwork } from './address.ts';
import type { Family } from './catalogue.ts';
import { InvalidInput } from './errors.ts';
import type { Brand, RouterId } from './router.ts';

export type HelperId = Brand<string, 'HelperId'>;

/** Narrows a helper to some of a router's traffic; all parts present must match. Networks are in canonical form. */
export interface Scope {
  readonly source: string | null;
  readonly destination: string | null;
  readonly inInterface: string | null;
}

/** One declared conntrack helper. `protocol` may be any that the API accepts; the catalogue says what a kernel has. */
export interface ConntrackHelper {
  readonly id: HelperId;
  readonly routerId: RouterId;
  readonly protocol: string;
  /** 1 to 65535: the destination port of new connections that get the helper. */
  readonly port: number;
  readonly helper: string;
  /** null: all of the router's traffic. */
  readonly scope: Scope | null;
  /** When it ends by itself, ISO 8601 in UTC; null: never. */
  readonly expiresAt: string | null;
  /** Rises with each change, from 1. */
  readonly revision: number;
}

/** IFNAMSIZ less its NUL. */
const MAX_INTERFACE = 15;
const INTERFACE = /^[A-Za-z0-9_.:@-]+$/;

export function parseInterface(value: unknown, field: string): string {
  if (typeof value !== 'string' || value.length > MAX_INTERFACE || !INTERFACE.test(value) || value === '.' || value === '..') {
    throw new InvalidInput(
      field,
      `Invalid input for ${field}. It is the name of a network interface of at most ${MAX_INTERFACE} characters.`,
    );
  }
  return value;
}

export interface ScopeInput {
  source?: string | null | undefined;
  destination?: string | null | undefined;
  in_interface?: string | null | undefined;
}

/** @throws InvalidInput for a part that is malformed, or for networks of two families. An empty scope is none. */
export function parseScope(input: ScopeInput): Scope | null {
  const source = input.source ? parseNetwork(input.source, 'source') : null;
  const destination = input.destination ? parseNetwork(input.destination, 'destination') : null;
  if (source && destination && source.family !== destination.family) {
    throw new InvalidInput('destination', 'Invalid input for destination. It has to be of the same address family as source.');
  }
  const inInterface = input.in_interface ? parseInterface(input.in_interface, 'in_interface') : null;
  if (!source && !destination && !inInterface) return null;
  return {
    source: source && formatNetwork(source),
    destination: destination && formatNetwork(destination),
    inInterface,
  };
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
