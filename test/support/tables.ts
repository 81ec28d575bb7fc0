import fc from 'fast-check';
import { DEFAULT_CONFINEMENT } from '../../src/contract/confinement.ts';
import { formatNetwork, parseNetwork } from '../../src/model/address.ts';
import type { Action, Chain, HelperObject, Match, Rule, Table } from '../../src/model/table.ts';
import { render } from '../../src/plan/render.ts';
import { ALL_CAPABILITIES, desiredRouter, helperWith, network, parseScope, scopeInput } from './arbitraries.ts';

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,30}$/);
/** A helper's type, as the kernel names it. */
const type = fc.stringMatching(/^[A-Za-z0-9.-]{1,15}$/);
const port = fc.integer({ min: 1, max: 65_535 });
const protocol = fc.constantFrom('tcp' as const, 'udp' as const);
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });

const match: fc.Arbitrary<Match> = fc.oneof(
  fc.record({ kind: fc.constant('ct-state' as const), state: fc.constantFrom('new' as const, 'related' as const) }),
  fc.record({
    kind: fc.constant('l4proto' as const),
    not: fc.boolean(),
    protocol: fc.constantFrom('tcp' as const, 'udp' as const, 'gre' as const),
  }),
  fc.record({
    kind: fc.constant('address' as const),
    side: fc.constantFrom('source' as const, 'destination' as const),
    cidr: network.map((text) => formatNetwork(parseNetwork(text, 'cidr'))),
  }),
  fc.record({ kind: fc.constant('in-interface' as const), name: fc.stringMatching(/^[A-Za-z0-9_.:@-]{1,15}$/) }),
  fc.record({ kind: fc.constant('dport' as const), protocol, port }),
  fc.record({ kind: fc.constant('dport-below' as const), protocol, port }),
  fc.record({
    kind: fc.constant('dport-in' as const),
    protocol,
    ports: fc.uniqueArray(port, { minLength: 1, maxLength: 6 }).map(ascending),
  }),
  fc.record({ kind: fc.constant('rate-over' as const), perSecond: fc.integer({ min: 1, max: 1_000_000 }), burst: u32 }),
);

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ kind: fc.constant('set-helper' as const), object: name }),
  fc.record({
    kind: fc.constant('map-helper' as const),
    protocol,
    entries: fc.uniqueArray(fc.tuple(port, name), { minLength: 1, maxLength: 6, selector: ([key]) => key }).map(byKey),
  }),
  fc.record({ kind: fc.constant('jump' as const), chain: name }),
  fc.record({
    kind: fc.constant('jump-by-helper' as const),
    entries: fc.uniqueArray(fc.tuple(type, name), { minLength: 1, maxLength: 6, selector: ([key]) => key }).map(byKey),
  }),
  fc.record({ kind: fc.constant('drop' as const) }),
);

export const rule: fc.Arbitrary<Rule> = fc.record({ matches: fc.array(match, { maxLength: 3 }), action });

const object: fc.Arbitrary<HelperObject> = fc.record({
  name,
  type,
  protocol,
  family: fc.constantFrom('inet' as const, 'ip' as const, 'ip6' as const),
});

const base = fc.record({
  hook: fc.constantFrom('prerouting' as const, 'input' as const, 'forward' as const, 'output' as const),
  priority: fc.integer({ min: -400, max: 400 }),
});

const chain: fc.Arbitrary<Chain> = fc
  .tuple(name, fc.option(base), fc.array(rule, { maxLength: 3 }))
  .map(([chainName, its, rules]) => (its === null ? { name: chainName, rules } : { name: chainName, base: its, rules }));

/** Any table that the types allow, whether Pinhole would write it or not: names need not lead anywhere. */
export const anyTable: fc.Arbitrary<Table> = fc.record({
  comment: fc.stringMatching(/^[ -~]{0,128}$/),
  objects: fc
    .uniqueArray(object, { maxLength: 5, selector: (one) => one.name })
    .map((list) => list.toSorted((a, b) => (a.name < b.name ? -1 : 1))),
  chains: fc.uniqueArray(chain, { maxLength: 3, selector: (one) => one.name }),
});

/** A table that Pinhole writes for a router with helpers, scoped and confined or not; null where none of them can be assigned. */
export const renderedTable: fc.Arbitrary<Table | null> = fc
  .tuple(fc.array(helperWith(fc.option(scopeInput).map((input) => input && parseScope(input))), { maxLength: 5 }), fc.boolean(), fc.nat())
  .map(([helpers, isConfined, revision]) => {
    const router = desiredRouter(helpers, { revision, confinement: isConfined ? DEFAULT_CONFINEMENT : null });
    return render(router, ALL_CAPABILITIES, new Date(0)).table;
  });

const edit = fc.record({
  of: fc.constantFrom('rules' as const, 'chains' as const),
  verb: fc.constantFrom('double' as const, 'drop' as const, 'turn' as const, 'insert' as const, 'rename' as const, 'rebase' as const),
  chain: fc.nat(),
  at: fc.nat(),
  rule,
  name,
});
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

/** A table that Pinhole writes, with a few rules or chains doubled, moved, taken away or put in: what an attacker would begin with. */
export const editedTable: fc.Arbitrary<Table> = fc
  .tuple(
    renderedTable.filter((table) => table !== null),
    fc.array(edit, { minLength: 1, maxLength: 4 }),
  )
  .map(([table, edits]) => {
    let edited = table as Table;
    for (const one of edits) edited = { ...edited, chains: editedChains(edited.chains, one) };
    return edited;
  });

function editedChains(chains: readonly Chain[], change: Edit): readonly Chain[] {
  const { of, verb, at, rule: added } = change;
  const chosen = chains[change.chain % Math.max(1, chains.length)];
  if (!chosen) return chains;
  const replacedBy = (changed: Chain) => chains.map((one) => (one === chosen ? changed : one));
  if (verb === 'rename') return replacedBy({ ...chosen, name: change.name });
  if (verb === 'rebase') return replacedBy({ ...chosen, base: { hook: 'forward', priority: at % 100 } });
  if (of === 'chains') return editedList(chains, verb, { at, added: chosen });
  return replacedBy({ ...chosen, rules: editedList(chosen.rules, verb, { at, added }) });
}

function editedList<T>(items: readonly T[], verb: 'double' | 'drop' | 'turn' | 'insert', { at, added }: { at: number; added: T }): T[] {
  const index = at % Math.max(1, items.length);
  const [before, after] = [items.slice(0, index), items.slice(index)];
  switch (verb) {
    case 'double':
      return [...before, ...after.slice(0, 1), ...after];
    case 'drop':
      return [...before, ...after.slice(1)];
    case 'turn':
      return [...after, ...before];
    case 'insert':
      return [...before, added, ...after];
  }
}

function ascending(numbers: readonly number[]): number[] {
  return numbers.toSorted((a, b) => a - b);
}

function byKey<K extends string | number, V>(entries: readonly (readonly [K, V])[]): (readonly [K, V])[] {
  return entries.toSorted(([a], [b]) => (a < b ? -1 : 1));
}
