import { type Netns, showNetns } from '../contract/netns.ts';
import { installationOf, isStamp } from '../model/table.ts';

/** What an agent knows of whose tables are whose. */
export interface Ownership {
  /** The installation that the agent serves; null before a server has told it. */
  readonly installation: string | null;
  /** Whether a router of this host had helpers in the namespace, as far back as the agent and its state file know. */
  hadHelpers(netns: Netns): boolean;
}

/** A table that stands in a namespace, and whether this agent wants one there. */
export interface Standing {
  readonly netns: Netns;
  readonly comment: string;
  /** Whether a router with helpers that this kernel can assign is declared there. */
  readonly isWanted: boolean;
}

/** The other installation that a table's comment names; null if it names the agent's own, or none. */
export function otherInstallation(comment: string, own: string | null): string | null {
  const found = installationOf(comment);
  return found === own ? null : found;
}

/**
 * Returns why a table is left alone, or null if it is this agent's to replace or remove. A table that names no installation, as those of
 * Pinhole 0.1 and of other programs, is the agent's where it serves a router with helpers, or did: it gets the agent's stamp once.
 */
export function whyLeftAlone({ netns, comment, isWanted }: Standing, known: Ownership): string | null {
  const other = otherInstallation(comment, known.installation);
  if (other !== null) return ofOther(netns, other);
  if (installationOf(comment) !== null || isWanted || (isStamp(comment) && known.hadHelpers(netns))) return null;
  if (!isStamp(comment)) return `table inet pinhole in ${showNetns(netns)} is of another program; it is left alone`;
  return (
    `table inet pinhole in ${showNetns(netns)} is of a version of Pinhole that named no installation, and no router here has helpers; ` +
    `it is left alone. 'pinhole purge --installation none' removes it`
  );
}

/** Says of a table that it is of another installation, and what an operator can do. */
export function ofOther(netns: Netns, installation: string): string {
  return (
    `table inet pinhole in ${showNetns(netns)} belongs to installation ${installation}; it is left alone. ` +
    `If that installation is gone: 'pinhole adopt ${installation}' on this host takes its tables over, ` +
    `'pinhole purge --installation ${installation}' removes them`
  );
}
