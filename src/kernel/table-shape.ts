import { list, mapped, optional, pair } from '../contract/compounds.ts';
import { RATE } from '../contract/confinement.ts';
import { Mismatch } from '../contract/mismatch.ts';
import { INTERFACE_NAME, KERNEL_TYPE, MAX_HELPERS_PER_ROUTER, NETWORK, PORT, TRANSPORT } from '../contract/primitives.ts';
import { record, tagged } from '../contract/record.ts';
import { BOOLEAN, integer, literal, oneOf, text } from '../contract/scalars.ts';
import type { Shape } from '../contract/shape.ts';
import { KERNEL_HELPERS } from '../model/catalogue.ts';
import { type Action, type Chain, type HelperObject, type Match, parseStamp, type Rule, type Table } from '../model/table.ts';

/**
 * Tables that the kernel process takes: of Pinhole's own shape and no other. Known helper types under their own names, assignment in
 * `prerouting` and `output`, drops in `data-*` chains that only related packets reach.
 */

/** A rule for each helper with a scope in each of two families, and as many for what stands around them. */
const MAX_RULES = 4 * MAX_HELPERS_PER_ROUTER;
/** Entries of a map or set, or ports of a list. */
export const MAX_ENTRIES = MAX_HELPERS_PER_ROUTER;
const MAX_CHAINS = 16;
const MAX_MATCHES = 8;

const NAME = text({ max: 31, pattern: /^[a-z][a-z0-9-]{0,30}$/, what: "a name of Pinhole's in nft" });

const OBJECT: Shape<HelperObject> = mapped(
  record({ name: NAME, type: KERNEL_TYPE, protocol: TRANSPORT, family: oneOf('inet', 'ip', 'ip6') }),
  (object) => {
    const known = KERNEL_HELPERS.find(({ object: name }) => name === object.name);
    if (known?.type !== object.type || known.protocol !== object.protocol)
      throw new Mismatch('a helper of the catalogue under its own name');
    return object;
  },
  (object) => object,
);

const RATE_FIELDS = { kind: literal('rate-over'), perSecond: RATE, burst: RATE };

const MATCH: Shape<Match> = tagged('kind', {
  'ct-state': record({ kind: literal('ct-state'), state: oneOf('new', 'related') }),
  l4proto: record({ kind: literal('l4proto'), not: BOOLEAN, protocol: oneOf('tcp', 'udp', 'gre') }),
  address: record({ kind: literal('address'), side: oneOf('source', 'destination'), cidr: NETWORK }),
  'in-interface': record({ kind: literal('in-interface'), name: INTERFACE_NAME }),
  dport: record({ kind: literal('dport'), protocol: TRANSPORT, port: PORT }),
  'dport-below': record({ kind: literal('dport-below'), protocol: TRANSPORT, port: PORT }),
  'dport-in': record({ kind: literal('dport-in'), protocol: TRANSPORT, ports: list(PORT, MAX_ENTRIES) }),
  // On this socket names are those of the program: a table is sent as it is.
  'rate-over': record(RATE_FIELDS, { perSecond: 'perSecond' }),
});

const ACTION: Shape<Action> = tagged('kind', {
  'set-helper': record({ kind: literal('set-helper'), object: NAME }),
  'map-helper': record({ kind: literal('map-helper'), protocol: TRANSPORT, entries: list(pair(PORT, NAME), MAX_ENTRIES) }),
  jump: record({ kind: literal('jump'), chain: NAME }),
  'jump-by-helper': record({ kind: literal('jump-by-helper'), entries: list(pair(KERNEL_TYPE, NAME), 64) }),
  drop: record({ kind: literal('drop') }),
});

const RULE: Shape<Rule> = record({ matches: list(MATCH, MAX_MATCHES), action: ACTION });

const CHAIN = record({
  name: NAME,
  base: optional(record({ hook: oneOf('prerouting', 'forward', 'output'), priority: integer(-199, 199) })),
  rules: list(RULE, MAX_RULES),
});

const STAMP = text({
  max: 128,
  what: 'a stamp',
  canonical: (comment) => {
    if (!parseStamp(comment)) throw new Mismatch('a stamp');
    return comment;
  },
});

export const TABLE: Shape<Table> = mapped(
  record({ comment: STAMP, objects: list(OBJECT, KERNEL_HELPERS.length), chains: list(CHAIN, MAX_CHAINS) }),
  ({ comment, objects, chains }) => {
    const table = { comment, objects, chains: chains.map(({ base, ...chain }) => (base ? { ...chain, base } : chain)) };
    checkStructure(table);
    return table;
  },
  (table) => table,
);

const DATA_CHAIN = /^data-/;

/** Base chains only jump; what they jump to only assigns (on `new`), or only drops (on `related`, by helper). */
function checkStructure(table: Table): void {
  const plain = new Set(table.chains.filter((chain) => !chain.base).map(({ name }) => name));
  const objects = new Set(table.objects.map(({ name }) => name));
  for (const chain of table.chains) {
    for (const rule of chain.rules) {
      const problem = chain.base ? baseProblem(rule, plain) : plainProblem(chain, rule, objects);
      if (problem) throw new Mismatch(`of chain ${chain.name} that ${problem}`, 'chains');
    }
  }
}

/** @returns what a rule of a base chain has to be, where it is not */
function baseProblem({ matches, action }: Rule, plain: ReadonlySet<string>): string | null {
  const targets = targetsOf(action);
  if (targets.length === 0) return 'a base chain jumps';
  if (targets.some((name) => !plain.has(name))) return 'it jumps to chains that are there';
  const wanted = action.kind === 'jump-by-helper' ? 'related' : 'new';
  const [state] = matches;
  if (matches.length !== 1 || state?.kind !== 'ct-state' || state.state !== wanted) return `it jumps on ct state ${wanted} only`;
  if (targets.some((name) => DATA_CHAIN.test(name) !== (wanted === 'related'))) return 'related packets, and no others, reach data chains';
  return null;
}

function plainProblem({ name }: Chain, { action }: Rule, objects: ReadonlySet<string>): string | null {
  if (targetsOf(action).length > 0) return 'a base chain jumps, no other';
  if ((action.kind === 'drop') !== DATA_CHAIN.test(name)) return 'data chains, and no others, drop';
  if (assignedBy(action).some((object) => !objects.has(object))) return 'it assigns objects that are there';
  return null;
}

function targetsOf(action: Action): readonly string[] {
  if (action.kind === 'jump') return [action.chain];
  return action.kind === 'jump-by-helper' ? action.entries.map(([, name]) => name) : [];
}

function assignedBy(action: Action): readonly string[] {
  if (action.kind === 'set-helper') return [action.object];
  return action.kind === 'map-helper' ? action.entries.map(([, name]) => name) : [];
}
