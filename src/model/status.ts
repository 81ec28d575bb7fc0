import type { Family, Protocol } from './catalogue.ts';

/**
 * ACTIVE: the kernel has it. PENDING: declared, not applied yet. ERROR: cannot be applied, the reason says why.
 * STALE: applied from the last good state on disk while the server cannot be reached. UNKNOWN: its agent is silent.
 */
export type StatusValue = 'ACTIVE' | 'PENDING' | 'ERROR' | 'STALE' | 'UNKNOWN';

/** Status of one helper in one address family. `reason` is empty where there is nothing to explain. */
export interface FamilyStatus {
  readonly family: Family;
  readonly status: StatusValue;
  readonly reason: string;
}

export interface HelperStatus {
  readonly helperId: string;
  readonly families: readonly FamilyStatus[];
}

/** What an agent says of one router after a sync. */
export interface RouterReport {
  readonly routerId: string;
  /** Revision of the desired state that the report is about. */
  readonly revision: number;
  /** Reason why the router as a whole is not in sync; empty when it is. */
  readonly reason: string;
  readonly helpers: readonly HelperStatus[];
  /** Repairs of changes by others since the agent started. */
  readonly drifts: number;
}

/** What this kernel can do. Keys of `helpers` are {@link capabilityKey}s. */
export interface Capabilities {
  readonly kernelRelease: string;
  readonly helpers: readonly string[];
  /** NAT modules that helpers need and that are neither loaded nor built in: mangling behind NAT does not work. */
  readonly missingNat: readonly string[];
  /** net.netfilter.nf_conntrack_events: without it expectations cannot be watched. */
  readonly conntrackEvents: boolean;
}

export function capabilityKey(type: string, protocol: Protocol, family: Family): string {
  return `${type}/${protocol}/${family}`;
}

/** One expectation: the kernel's pinhole for a connection that a helper has read of. */
export interface Expectation {
  readonly helper: string;
  readonly protocol: string;
  readonly source: string;
  readonly destination: string;
  /** 0 where the announcement named none. */
  readonly port: number;
  readonly master: { readonly source: string; readonly destination: string; readonly port: number };
}
