import { FAMILIES } from '../../model/catalogue.ts';
import type { Assignment } from '../ruleset/view.ts';

/** Formats of configuration files. */
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
  /** `section.option`, as the program's documentation names it. */
  readonly key: string;
  readonly value: string;
  /** From 1. */
  readonly line: number;
}

/** A configuration file that was read: its options, and the helpers that it assigns. */
export interface ConfigDocument {
  readonly kind: ConfigKind;
  readonly name: string;
  readonly settings: readonly Setting[];
  readonly assignments: readonly Assignment[];
  /** Permission bits of the file; null: the text comes from a pipe. */
  readonly mode: number | null;
}

/** The part of a document that the reader of a format produces. */
export type Content = Pick<ConfigDocument, 'settings' | 'assignments'>;

/** The last setting of a key, or null: in all of these formats, later settings win. */
export function setting(document: ConfigDocument, key: string): Setting | null {
  return document.settings.findLast((one) => one.key === key) ?? null;
}

/** Whether a value means true: `1`, `yes`, `true` or `on`, in any case. */
export function isOn(value: string): boolean {
  return /^(1|yes|true|on)$/i.test(value.trim());
}

/** An assignment from an option of a firewall program. By default it is for any port, both families, and not narrowed. */
export function assigned(type: string, at: { readonly line: number; readonly text: string }, rest: Partial<Assignment> = {}): Assignment {
  const unless = { protocol: null, ports: null, families: FAMILIES, source: false, destination: false, endedBy: null, isDefinition: false };
  return { type, ...unless, ...at, ...rest, place: null };
}
