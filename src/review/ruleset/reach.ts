import type { Family } from '../../model/catalogue.ts';
import type { Chain, Match, Rule } from './model.ts';

/** The connections that an assignment is for. null: it does not say. */
export interface Wanted {
  readonly protocol: string | null;
  readonly ports: readonly (readonly [number, number])[] | null;
  readonly families: readonly Family[];
  readonly matches: readonly Match[];
}

/** Only so many rules of a chain are examined. The rules after them are taken to be reached. */
const MAX_ENDINGS = 500;

/**
 * Rules that end the walk through their chain for every packet that they match, with their positions. Limited and opaque rules
 * are left out.
 */
export function endingsOf(rules: readonly Rule[]): { readonly rule: Rule; readonly index: number }[] {
  return rules
    .flatMap((rule, index) =>
      /^(accept|drop|return|goto)$/.test(rule.action?.kind ?? '') && !rule.limited && !rule.opaque ? [{ rule, index }] : [],
    )
    .slice(0, MAX_ENDINGS);
}

/** Steps charged for comparing the values of a rule. */
export function costOf({ matches }: Rule): number {
  return matches.reduce((sum, { values, ranges }) => sum + 1 + (((values?.length ?? 0) + (ranges?.length ?? 0)) >> 3), 0);
}

/** Whether a rule matches the first packet of every wanted connection. */
export function takesAll(rule: Rule, wanted: Wanted): boolean {
  return rule.matches.every((one) => holdsFor(one, wanted));
}

/** Whether one match holds for all of them. Anything uncertain is false. */
function holdsFor(one: Match, { protocol, ports, families, matches }: Wanted): boolean {
  switch (one.key) {
    case 'state':
      return one.values !== null && one.values.includes('new') !== one.negated;
    case 'l4proto':
      return !one.negated && protocol !== null && (one.values?.includes(protocol) ?? false);
    case 'nfproto':
      return !one.negated && families.every((family) => one.values?.includes(family) ?? false);
    case 'dport':
      return (
        !one.negated && ports !== null && ports.every(([from, to]) => one.ranges?.some(([low, high]) => from >= low && to <= high) ?? false)
      );
    case 'saddr':
    case 'daddr':
    case 'iif':
    case 'oif':
      return matches.some((own) => own.key === one.key && own.negated === one.negated && sameValues(own.values, one.values));
    default:
      return false;
  }
}

/** Whether two lists hold the same values, in any order. */
function sameValues(a: readonly string[] | null, b: readonly string[] | null): boolean {
  if (a === null || b === null || a.length !== b.length) return false;
  const known = new Set(b);
  return a.every((value) => known.has(value));
}

/** The rule at which the way to an assignment ends, with its chain. */
export interface Stop {
  readonly chain: Chain;
  readonly rule: Rule;
}
