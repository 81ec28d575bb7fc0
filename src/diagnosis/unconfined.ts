import type { Confinement } from '../contract/confinement.ts';
import type { Diagnosis } from '../contract/diagnosis.ts';
import { announces } from '../model/catalogue.ts';

/** What is asked about a router: its name, and how its related connections are confined; null: not. */
interface Declared {
  readonly name: string;
  readonly confinement: Confinement | null;
}

/**
 * Says which helpers of a router that is not confined announce connections. It is a note: helpers work without confinement, but a program
 * that can make a host behind the router send text has any port of that host opened.
 */
export function unconfined({ name, confinement }: Declared, helpers: readonly { helper: string; protocol: string }[]): Diagnosis[] {
  if (confinement !== null) return [];
  const opening = [...new Set(helpers.filter(announces).map(({ helper }) => helper))].sort();
  if (opening.length === 0) return [];
  const detail = `not confined: with ${opening.join(', ')}, a forged announcement opens any port of a host behind the router. 'pinhole router set ${name} --confine' keeps low ports and those of known services closed.`;
  return [{ check: 'confinement', result: 'note', detail }];
}
