import { isDeepStrictEqual } from 'node:util';
import { list, mapped, optional, pair } from '../contract/compounds.ts';
import { RATE } from '../contract/confinement.ts';
import { Mismatch } from '../contract/mismatch.ts';
import { INTERFACE_NAME, KERNEL_TYPE, MAX_HELPERS_PER_ROUTER, NETWORK, PORT, TRANSPORT } from '../contract/primitives.ts';
import { record, tagged } from '../contract/record.ts';
import { BOOLEAN, integer, literal, oneOf, text } from '../contract/scalars.ts';
import type { Shape } from '../contract/shape.ts';
import { KERNEL_HELPERS } from '../model/catalogue.ts';
import { type Action, type HelperObject, type Match, parseStamp, type Rule, type Table } from '../model/table.ts';
import { formOf, tableContent } from '../model/table-form.ts';

/**
 * Tables that the kernel process takes: of Pinhole's own form and no other. Known helper types under their own names, assignment in
 * `prerouting` and `output`, drops in `data-*` chains that only related packets reach.
 */

/** A rule for each helper with a scope, and a map a protocol. */
const MAX_RULES = MAX_HELPERS_PER_ROUTER + 2;
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
  base: optional(record({ hook: oneOf('prerouting', 'input', 'forward', 'output'), priority: integer(-199, 199) })),
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
    checkForm(table);
    return table;
  },
  (table) => table,
);

/**
 * @throws Mismatch unless the table is in the one form that Pinhole writes. A packet then costs no more than the helpers that are assigned,
 * of which a router has a bounded number.
 */
function checkForm(table: Table): void {
  const form = formOf(table);
  if (!form) throw new Mismatch('rules that Pinhole writes', 'chains');
  if (form.assignments.length > MAX_HELPERS_PER_ROUTER)
    throw new Mismatch(`at most ${MAX_HELPERS_PER_ROUTER} assignments of helpers`, 'chains');
  const { objects, chains } = tableContent(form);
  if (!isDeepStrictEqual(objects, table.objects)) throw new Mismatch('the helpers that are assigned, sorted by name', 'objects');
  if (chains.length !== table.chains.length) throw new Mismatch(`the chains ${chains.map(({ name }) => name).join(', ')}`, 'chains');
  for (const [index, chain] of chains.entries())
    if (!isDeepStrictEqual(chain, table.chains[index])) throw new Mismatch(`chain ${chain.name} as Pinhole writes it`, `chains[${index}]`);
  const slots = new Set(form.assignments.map(({ object: { protocol }, port, scope }) => JSON.stringify([protocol, port, scope])));
  if (slots.size < form.assignments.length) throw new Mismatch('each port assigned once in one scope', 'chains');
}
