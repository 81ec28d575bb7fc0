import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_HELPERS_PER_ROUTER } from '../../src/contract/primitives.ts';
import { read } from '../../src/contract/shape.ts';
import { encodeReplacement } from '../../src/kernel/linux/nft-encode.ts';
import { MAX_BATCH, parseRequest } from '../../src/kernel/protocol.ts';
import { TABLE } from '../../src/kernel/table-shape.ts';
import type { Chain, Table } from '../../src/model/table.ts';
import { formOf, type TableForm, tableContent } from '../../src/model/table-form.ts';
import { render } from '../../src/plan/render.ts';
import { ALL_CAPABILITIES, desiredHelper, desiredRouter, hostileText, parseScope } from '../support/arbitraries.ts';
import { runs } from '../support/runs.ts';
import { anyTable, editedTable, renderedTable } from '../support/tables.ts';

/** One helper, scoped and confined: each kind of match and of action, once. */
const CONFINED = render(
  desiredRouter(
    [
      desiredHelper('ftp', 'tcp', 21),
      desiredHelper('ftp', 'tcp', 2121, { scope: parseScope({ source: '10.0.0.0/8', in_interface: 'eth0' }) }),
    ],
    { confinement: { blockedPorts: [1080, 3128], ratePerSecond: 10 } },
  ),
  ALL_CAPABILITIES,
  new Date(0),
).table as Table;

const request = (value: unknown) => parseRequest({ id: 1, request: value }).request;
const overTheWire = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const applied = (table: unknown) => {
  const parsed = request({ method: 'apply', items: [{ netns: 'r', table: overTheWire(table), replaces: null }] });
  return parsed.method === 'apply' ? parsed.items[0] : undefined;
};

/** A place in a JSON value: the path to each of its leaves, and to each object and list. */
function places(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path];
  const keys = Array.isArray(value) ? value.map((_, index) => index) : Object.keys(value);
  return [path, ...keys.flatMap((key) => places((value as Record<string | number, unknown>)[key], [...path, key]))];
}

function replaced(value: unknown, path: readonly (string | number)[], by: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  const old = value as Record<string | number, unknown>;
  const changed = { [key]: replaced(old[key], rest, by) };
  return Array.isArray(old) ? Object.assign([...old], changed) : { ...old, ...changed };
}

describe('law: what Pinhole renders passes, and nothing of another shape', () => {
  it('takes every table that is rendered, as it is', () => {
    fc.assert(
      fc.property(renderedTable, (table) => {
        expect(applied(table)).toEqual({ ok: true, value: { netns: 'r', table, replaces: null } });
      }),
      runs(0.3),
    );
  });

  it('refuses or takes any table that the types allow, and what it takes can be encoded', () => {
    fc.assert(
      fc.property(anyTable, (table) => {
        const result = applied({ ...table, comment: CONFINED.comment });
        if (!result?.ok) expect(result?.error.code).toBe('invalid-message');
        else if (result.value && 'table' in result.value) encodeReplacement(result.value.table as Table);
      }),
      runs(0.5),
    );
  });

  it('takes an edited table only if it is one that Pinhole could have written: no packet costs more than the helpers do', () => {
    fc.assert(
      fc.property(editedTable, (table) => {
        const result = applied(table);
        if (!result?.ok || !('table' in result.value)) return;
        const { objects, chains } = result.value.table as Table;
        expect(tableContent(formOf({ objects, chains }) as TableForm)).toEqual({ objects, chains });
        const named = new Map(chains.map((chain) => [chain.name, chain]));
        expect(named.size).toBe(chains.length);
        const assigned = formOf({ objects, chains })?.assignments.length ?? 0;
        for (const { base, rules } of chains.filter((chain) => chain.base)) {
          const targets = rules.flatMap(({ action }) => (action.kind === 'jump' ? [action.chain] : []));
          expect(new Set(targets).size).toBe(targets.length);
          const seen = targets.reduce((sum, target) => sum + (named.get(target)?.rules.length ?? 0), rules.length);
          expect([base?.hook, seen <= assigned + 6]).toEqual([base?.hook, true]);
        }
      }),
      runs(),
    );
  });

  it('survives one hostile value anywhere: its item fails, with the path, and the other is carried out', () => {
    const value = fc.oneof(hostileText, fc.constantFrom<unknown>(null, -1, 1.5, 2 ** 53, 65_536, true, [], {}, [[]], { kind: 'accept' }));
    const item = { netns: 'r', table: CONFINED, replaces: CONFINED.comment };
    const all = places(item);
    fc.assert(
      fc.property(fc.nat(), value, (at, hostile) => {
        const spoilt = replaced(item, all[at % all.length] ?? [], hostile);
        const parsed = request({ method: 'apply', items: [spoilt, { netns: 's', table: null, replaces: null }] });
        if (parsed.method !== 'apply') throw new Error('another method');
        const [first, second] = parsed.items;
        expect(second).toEqual({ ok: true, value: { netns: 's', table: null, replaces: null } });
        if (!first?.ok) expect(first?.error.details.field).toMatch(/^\[0\]/);
        else if (first.value && 'table' in first.value && first.value.table) encodeReplacement(first.value.table as Table);
      }),
      runs(),
    );
  });

  it('takes any JSON without an error other than invalid-message', () => {
    const methods = fc.constantFrom('capabilities', 'observe', 'apply', 'changeLive', 'expectations', 'allRules', 'watchExpectations', 'x');
    const given = fc.record(
      {
        method: methods,
        items: fc.jsonValue(),
        netns: fc.oneof(hostileText, fc.constant('r')),
        change: fc.jsonValue(),
        netnses: fc.jsonValue(),
      },
      { requiredKeys: ['method'] },
    );
    fc.assert(
      fc.property(fc.oneof(given, fc.jsonValue()), (value) => {
        try {
          request(overTheWire(value));
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^invalid-(message|input)$/) });
        }
      }),
      runs(),
    );
  });
});

describe('parseRequest', () => {
  it.each([
    { method: 'capabilities' },
    { method: 'namespaces' },
    { method: 'expectations', netns: 'r' },
    { method: 'allRules', netns: '/' },
    { method: 'watchExpectations', netnses: ['r'] },
    {
      method: 'changeLive',
      netns: 'r',
      change: {
        action: 'strip',
        selectors: [
          { protocol: 'tcp', port: 21, type: 'ftp', except: [{ families: ['ipv4'], source: '10.0.0.0/8', destination: null }] },
          { protocol: 'udp', port: 69, type: 'tftp', except: [] },
        ],
      },
    },
    {
      method: 'changeLive',
      netns: 'r',
      change: {
        action: 'attach',
        selectors: [{ protocol: 'tcp', port: 21, type: 'ftp', families: ['ipv4', 'ipv6'], source: '10.0.0.0/8', destination: null }],
      },
    },
  ])('takes %j', (value) => {
    expect(request(value)).toEqual(value);
  });

  it('takes a strip without exceptions from an agent of an earlier version', () => {
    const selector = { protocol: 'tcp', port: 21, type: 'ftp' };
    const strip = (selectors: object[]) => ({ method: 'changeLive', netns: 'r', change: { action: 'strip', selectors } });
    expect(request(strip([selector]))).toEqual(strip([{ ...selector, except: [] }]));
  });

  it('takes a version that is known, and none', () => {
    const known = { cookie: '12', generation: 3 };
    const old = { cookie: '4026532001:1795000000123456789', generation: 3 };
    const items = [
      { netns: 'a', known },
      { netns: 'b', known: null },
      { netns: 'c' },
      { netns: '..', known },
      { netns: 'd', known: old },
      { netns: 'e', known: { cookie: '1:', generation: 3 } },
    ];
    expect(request({ method: 'observe', items })).toMatchObject({
      items: [
        { ok: true, value: { netns: 'a', known } },
        { ok: true, value: { netns: 'b', known: null } },
        { ok: true, value: { netns: 'c', known: null } },
        { ok: false },
        { ok: true, value: { netns: 'd', known: old } },
        { ok: false },
      ],
    });
  });

  const attach = (selector: object) => ({
    method: 'changeLive',
    netns: 'r',
    change: {
      action: 'attach',
      selectors: [{ protocol: 'tcp', port: 21, type: 'ftp', families: ['ipv4'], source: null, destination: null, ...selector }],
    },
  });

  it.each([
    ['no such method', { method: 'reboot' }],
    ['a field that none has', { method: 'capabilities', shell: 'x' }],
    ['too many items', { method: 'observe', items: Array(MAX_BATCH + 1).fill({ netns: 'r' }) }],
    ['a helper that no catalogue has', attach({ type: 'nfs' })],
    ['a helper of another protocol', attach({ protocol: 'udp' })],
    ['a helper of the router itself', attach({ protocol: 'udp', type: 'snmp', port: 161 })],
    ['a family that the helper lacks', attach({ type: 'irc', families: ['ipv6'] })],
    ['no network', attach({ source: '10.0.0.0/33' })],
    ['no port', attach({ port: 0 })],
  ])('refuses %s', (_what, value) => {
    expect(() => request(value)).toThrow();
  });
});

describe('the shape of a table', () => {
  const take = (table: unknown) => read(TABLE, overTheWire(table), 'table');
  const { comment } = CONFINED;
  const object = { name: 'ftp-tcp', type: 'ftp', protocol: 'tcp', family: 'inet' };
  const jump = { matches: [{ kind: 'ct-state', state: 'new' }], action: { kind: 'jump', chain: 'assign' } };
  const drop = { matches: [], action: { kind: 'drop' } };
  const [assign, ...others] = CONFINED.chains as [Chain, ...Chain[]];
  const chainsWith = (name: string, change: (chain: Chain) => object) =>
    CONFINED.chains.map((chain) => (chain.name === name ? change(chain) : chain));

  it('takes assignment on new and drops on related connections', () => {
    expect(take(CONFINED)).toEqual(CONFINED);
  });

  it.each<[string, unknown[], RegExp]>([
    ['2,000 jumps', chainsWith('prerouting', (chain) => ({ ...chain, rules: Array(2_000).fill(jump) })), /prerouting as/],
    ['a second jump', chainsWith('prerouting', (chain) => ({ ...chain, rules: [jump, jump] })), /prerouting as Pinhole writes it/],
    ['a jump for every packet', chainsWith('prerouting', (chain) => ({ ...chain, rules: [{ ...jump, matches: [] }] })), /prerouting as/],
    ['a jump to nowhere', [...others], /^table/],
    ['a drop of what is not related', [{ ...assign, rules: [...assign.rules, drop] }, ...others], /rules that Pinhole writes/],
    ['a drop in a base chain', chainsWith('output', (chain) => ({ ...chain, rules: [...chain.rules, drop] })), /output as/],
    ['a drop of all related packets', chainsWith('data-tcp', (chain) => ({ ...chain, rules: [drop, ...chain.rules] })), /data-tcp as/],
    ['no limit', chainsWith('data-tcp', (chain) => ({ ...chain, rules: [] })), /the chains assign/],
    [
      'a base chain of another priority',
      chainsWith('prerouting', (chain) => ({ ...chain, base: { hook: 'prerouting', priority: 0 } })),
      /prerouting/,
    ],
    ['confinement of forwarded packets alone', CONFINED.chains.filter(({ name }) => name !== 'confine-input'), /the chains assign/],
    ['one helper twice', [{ ...assign, rules: [assign.rules[0], ...assign.rules] }, ...others], /each port assigned once/],
    ['a chain that nothing needs', [...CONFINED.chains, { name: 'mine', rules: [] }], /the chains assign/],
  ])('refuses a table with %s', (_what, chains, why) => {
    expect(() => take({ ...CONFINED, chains })).toThrow(why);
  });

  it('refuses more assignments than a router has helpers', () => {
    const rule = (port: number) => ({
      matches: [
        { kind: 'address', side: 'source', cidr: '10.0.0.0/8' },
        { kind: 'dport', protocol: 'tcp', port },
      ],
      action: { kind: 'set-helper', object: 'ftp-tcp' },
    });
    const assigned = (count: number) => ({
      ...CONFINED,
      chains: [{ ...assign, rules: Array.from({ length: count }, (_, at) => rule(at + 1)) }, ...others],
    });
    expect(() => take(assigned(MAX_HELPERS_PER_ROUTER))).not.toThrow();
    expect(() => take(assigned(MAX_HELPERS_PER_ROUTER + 1))).toThrow(/at most 2000 assignments/);
  });

  it.each([
    ['a comment that is no stamp', { comment: 'mine', objects: [], chains: [] }],
    ['a helper under another name', { comment, objects: [{ ...object, name: 'tftp-udp' }], chains: [] }],
    ['a helper of the kernel under no name of ours', { comment, objects: [{ ...object, name: 'mine' }], chains: [] }],
    [
      'an entry that is no pair',
      {
        comment,
        objects: [object],
        chains: [{ name: 'confine', rules: [{ matches: [], action: { kind: 'jump-by-helper', entries: [['ftp']] } }] }],
      },
    ],
  ])('refuses %s', (_what, table) => {
    expect(() => take(table)).toThrow(/^table/);
  });
});
