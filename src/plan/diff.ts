import type { TableDifference } from '../contract/plan.ts';
import { networkContains, parseNetwork } from '../model/address.ts';
import { FAMILIES, type Family, type Protocol } from '../model/catalogue.ts';
import type { Chain, HelperObject, Match, Table } from '../model/table.ts';
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

/** A protocol, port and helper type that connections get. */
export interface Assignment {
  readonly protocol: Protocol;
  readonly port: number;
  readonly type: string;
}

/**
 * The connections to which a rule applies, as far as the connection table can tell: their families and addresses (CIDR; null: any). It
 * does not record the interface at which a connection entered.
 */
export interface Reach {
  readonly families: readonly Family[];
  readonly source: string | null;
  readonly destination: string | null;
}

/** Live connections that lose their helper, except those in one of these reaches. */
export interface Revocation extends Assignment {
  readonly except: readonly Reach[];
}

/**
 * Returns what live connections may lose if `desired` replaces `observed`: each assignment of which a rule is gone, unless a rule of
 * `desired` applies to the same connections or to more. Without duplicates.
 */
export function revoked(desired: Table | null, observed: Table | null): Assignment[] {
  const kept = assigned(desired);
  const gone = assigned(observed).filter((rule) => !kept.some((other) => isSame(other, rule) && covers(other.reach, rule.reach)));
  return [...new Map(gone.map(({ reach: _, ...assignment }) => [assignmentKey(assignment), assignment])).values()];
}

/**
 * Returns which live connections lose what {@link revoked} found. A connection keeps its helper if any rule of `table` assigns the
 * helper to its protocol, port and addresses; a rule's interface is not compared.
 * @param table the table that the namespace has now
 */
export function revocations(gone: readonly Assignment[], table: Table | null): Revocation[] {
  const kept = assigned(table);
  return gone
    .map((assignment) => ({ ...assignment, except: kept.filter((rule) => isSame(rule, assignment)).map(({ reach }) => reach) }))
    .filter(({ except }) => !except.some((reach) => covers(reach, EVERYTHING)));
}

/** Returns a text that equal assignments have in common. */
export function assignmentKey({ protocol, port, type }: Assignment): string {
  return `${protocol}/${port}/${type}`;
}

const EVERYTHING: Reach = { families: FAMILIES, source: null, destination: null };

/** Returns what each rule of a table assigns, and to which connections; nothing for null. */
function assigned(table: Table | null): (Assignment & { readonly reach: Reach })[] {
  if (!table) return [];
  const objects = new Map(table.objects.map((object) => [object.name, object]));
  const rule = (name: string, matches: readonly Match[], port: number) => {
    const object = objects.get(name);
    return object ? [{ protocol: object.protocol, port, type: object.type, reach: reachOf(object, matches) }] : [];
  };
  return table.chains.flatMap((chain) =>
    chain.rules.flatMap(({ matches, action }) => {
      if (action.kind === 'map-helper') return action.entries.flatMap(([port, name]) => rule(name, matches, port));
      const dport = matches.find((match) => match.kind === 'dport');
      return action.kind === 'set-helper' && dport ? rule(action.object, matches, dport.port) : [];
    }),
  );
}

function reachOf({ family }: HelperObject, matches: readonly Match[]): Reach {
  const network = (side: 'source' | 'destination') =>
    matches.find((match) => match.kind === 'address' && match.side === side) as Extract<Match, { kind: 'address' }> | undefined;
  return {
    families: family === 'inet' ? FAMILIES : [family === 'ip' ? 'ipv4' : 'ipv6'],
    source: network('source')?.cidr ?? null,
    destination: network('destination')?.cidr ?? null,
  };
}

function isSame(a: Assignment, b: Assignment): boolean {
  return a.port === b.port && a.protocol === b.protocol && a.type === b.type;
}

/** Whether each connection in `inner` is in `outer` too. */
function covers(outer: Reach, inner: Reach): boolean {
  return (
    inner.families.every((family) => outer.families.includes(family)) &&
    contains(outer.source, inner.source) &&
    contains(outer.destination, inner.destination)
  );
}

function contains(outer: string | null, inner: string | null): boolean {
  if (outer === null) return true;
  return inner !== null && networkContains(parseNetwork(outer, 'rule'), parseNetwork(inner, 'rule'));
}
