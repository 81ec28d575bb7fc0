import { FAMILIES } from '../../model/catalogue.ts';
import type { Assignment } from '../ruleset/view.ts';

export type ConfigKind =
  | 'neutron'
  | 'neutron-policy'
  | 'pinhole'
  | 'firewalld'
  | 'firewalld-conf'
  | 'shorewall-conntrack'
  | 'shorewall-conf'
  | 'openwrt'
  | 'sysctl'
  | 'modprobe';

/** One option of a configuration file. */
export interface Setting {
  /** `section.option`, as the program's own documentation names it. */
  readonly key: string;
  readonly value: string;
  readonly line: number;
}

/** A configuration file, read: its options, and the helpers that it assigns. */
export interface ConfigDocument {
  readonly kind: ConfigKind;
  readonly name: string;
  readonly settings: readonly Setting[];
  readonly assignments: readonly Assignment[];
  /** Permission bits of the file; null where it is none. */
  readonly mode: number | null;
}

/** What a reader makes of a file. */
export type Content = Pick<ConfigDocument, 'settings' | 'assignments'>;

/** The last setting of a key: later ones win in all of these formats. */
export function setting(document: ConfigDocument, key: string): Setting | null {
  return document.settings.findLast((one) => one.key === key) ?? null;
}

export function isOn(value: string): boolean {
  return /^(1|yes|true|on)$/i.test(value.trim());
}

/** An assignment that a firewall program makes of an option. */
export function assigned(type: string, at: { readonly line: number; readonly text: string }, rest: Partial<Assignment> = {}): Assignment {
  const unless = { protocol: null, ports: null, families: FAMILIES, source: false, destination: false, endedBy: null, isDefinition: false };
  return { type, ...unless, ...at, ...rest, place: null };
}
