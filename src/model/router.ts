import type { Netns } from './netns.ts';

declare const brand: unique symbol;
/** A string that was checked to be of one kind, so that ids of two kinds cannot be mixed up. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

export type RouterId = Brand<string, 'RouterId'>;

/** Holds the related connections that helpers announce to their data protocol, off low and listed ports, under a rate. */
export interface Confinement {
  readonly blockedPorts: readonly number[];
  /** New related connections a second, per data protocol. */
  readonly ratePerSecond: number;
}

export const DEFAULT_CONFINEMENT: Confinement = {
  blockedPorts: [1080, 1433, 2049, 2375, 3128, 3306, 3389, 5432, 5900, 5985, 6379, 8080, 8443, 9200, 11211, 27017],
  ratePerSecond: 100,
};

export interface Router {
  readonly id: RouterId;
  readonly name: string;
  readonly description: string;
  readonly projectId: string;
  /** The host whose agent serves it, and the network namespace there. Both null: declared, served by nobody. */
  readonly host: string | null;
  readonly netns: Netns | null;
  /** Goes up by one with every change of the router or of its helpers. */
  readonly revision: number;
  readonly confinement: Confinement | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}
