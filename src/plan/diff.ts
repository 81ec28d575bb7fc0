import type { TableDifference } from '../contract/plan.ts';
import type { Protocol } from '../model/catalogue.ts';
import type { Chain, HelperObject, Table } from '../model/table.ts';
import { contentDigest } from './render.ts';
import { ruleText } from './text.ts';

/**
 * Returns the differences between two tables: of objects, then of chains, then of the rules of chains that both tables have. Empty
 * if the contents are equal. Different stamps alone are no difference, because a new revision with the same rules needs no write.
 */
export function diff(desired: Table | null, observed: Table | null): TableDifference[] {
  if (!desired && !observed) return [];
  if (!desired) return [{ change: 'remove', what: 'table', name: 'pinhole', detail: '' }];
  if (!observed) return [{ change: 'add', what: 'table', name: 'pinhole', detail: '' }];
  if (contentDigest(desired) === contentDigest(observed)) return [];
  return [
    ...diffNamed(desired.objects, observed.objects, 'object', objectDetail),
    ...diffNamed(desired.chains, observed.chains, 'chain', chainDetail),
    ...desired.chains.flatMap((chain) => {
      const other = observed.chains.find(({ name }) => name === chain.name);
      return other ? diffRules(chain, other) : [];
    }),
  ];
}

function objectDetail(object: HelperObject): string {
  return `type ${object.type} protocol ${object.protocol} l3proto ${object.family}`;
}

function chainDetail(chain: Chain): string {
  return chain.base ? `hook ${chain.base.hook} priority ${chain.base.priority}` : '';
}

function diffNamed<T extends { readonly name: string }>(
  desired: readonly T[],
  observed: readonly T[],
  what: 'object' | 'chain',
  detail: (item: T) => string,
): TableDifference[] {
  const seen = new Map(observed.map((item) => [item.name, item]));
  const changes: TableDifference[] = [];
  for (const item of desired) {
    const other = seen.get(item.name);
    seen.delete(item.name);
    if (!other) changes.push({ change: 'add', what, name: item.name, detail: detail(item) });
    else if (detail(other) !== detail(item))
      changes.push({ change: 'replace', what, name: item.name, detail: `${detail(other)} → ${detail(item)}` });
  }
  for (const item of seen.values()) changes.push({ change: 'remove', what, name: item.name, detail: detail(item) });
  return changes;
}

function diffRules(desired: Chain, observed: Chain): TableDifference[] {
  const want = desired.rules.map(ruleText);
  const have = observed.rules.map(ruleText);
  if (want.length === have.length && want.every((text, index) => text === have[index])) return [];
  const added = want.filter((text) => !have.includes(text));
  const removed = have.filter((text) => !want.includes(text));
  const changes: TableDifference[] = [
    ...removed.map((detail): TableDifference => ({ change: 'remove', what: 'rule', name: desired.name, detail })),
    ...added.map((detail): TableDifference => ({ change: 'add', what: 'rule', name: desired.name, detail })),
  ];
  return changes.length > 0 ? changes : [{ change: 'replace', what: 'rule', name: desired.name, detail: 'order of rules' }];
}

/** A protocol, port and helper type that new connections get, whatever their addresses. */
export interface Assignment {
  readonly protocol: Protocol;
  readonly port: number;
  readonly type: string;
}

/** Returns all that a table assigns, with or without a scope; nothing for null. */
export function assignments(table: Table | null): Assignment[] {
  if (!table) return [];
  const types = new Map(table.objects.map((object) => [object.name, object]));
  return table.chains.flatMap((chain) =>
    chain.rules.flatMap(({ matches, action }): Assignment[] => {
      if (action.kind === 'map-helper') {
        return action.entries.map(([port, object]) => ({ protocol: action.protocol, port, type: types.get(object)?.type ?? '' }));
      }
      const dport = matches.find((match) => match.kind === 'dport');
      if (action.kind !== 'set-helper' || !dport) return [];
      return [{ protocol: dport.protocol, port: dport.port, type: types.get(action.object)?.type ?? '' }];
    }),
  );
}

/**
 * Returns what live connections lose if `desired` replaces `observed`: the assignments that no rule makes any more. A helper whose
 * scope became narrower keeps its live connections. Without duplicates.
 */
export function revoked(desired: Table | null, observed: Table | null): Assignment[] {
  const key = (item: Assignment) => `${item.protocol}/${item.port}/${item.type}`;
  const kept = new Set(assignments(desired).map(key));
  return [...new Map(assignments(observed).map((item) => [key(item), item])).values()].filter((item) => !kept.has(key(item)));
}
